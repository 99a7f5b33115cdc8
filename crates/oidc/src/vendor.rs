//! Products that differ from others in what they take, or in what an operator must know; told by their addresses.

use url::Url;

use crate::issuer::Issuer;

/// Entra in the world, for the government of the United States, and in China.
const ENTRA: [&str; 3] = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];

/// Microsoft Entra ID.
pub(crate) fn is_entra(issuer: &Issuer) -> bool {
    issuer.url().host_str().is_some_and(|host| ENTRA.contains(&host))
}

/// Google.
pub(crate) fn is_google(issuer: &Issuer) -> bool {
    issuer.url().host_str() == Some("accounts.google.com")
}

/// Keycloak, or one that took over its paths: grants refresh tokens without a scope for them.
pub(crate) fn is_keycloak(issuer: &Issuer) -> bool {
    issuer.url().path().contains("/realms/")
}

/// Keycloak, as it was up to version 16.
pub(crate) fn is_old_keycloak(issuer: &Issuer) -> bool {
    issuer.url().path().starts_with("/auth/realms/")
}

/// Authentik.
pub(crate) fn is_authentik(issuer: &Issuer) -> bool {
    issuer.url().path().contains("/application/o/")
}

/// Whether Entra's tenant stands there by its id.
pub(crate) fn names_tenant_id(url: &Url) -> bool {
    let first = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    first.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && first.split('-').all(is_hex)
}
