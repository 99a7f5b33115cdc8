//! What an operator is told of products whose hosts no test can be.

use retinue_testkit::SigningKey;
use serde_json::{Value, json};

use super::*;
use crate::assertion::{AssertionAudience, AssertionKey};
use crate::client_authentication::ClientAuthentication;
use crate::issuer::Issuer;

const TENANT: &str = "https://login.microsoftonline.com/0f0e0d0c-1234-5678-9abc-DEF012345678/v2.0";
const GOOGLE: &str = "https://accounts.google.com";

fn config(issuer: &str) -> Config {
    let mut config = Config::new("a", Issuer::new(issuer).unwrap(), "id", "https://retinue.example.com/auth/callback");
    config.authentication = ClientAuthentication::SecretBasic("secret".to_owned().into());
    config
}

/// What is said, but good things, of a document that is changed so.
fn said(config: &Config, patch: &Value) -> String {
    lines(config, patch, Level::Note)
}

fn lines(config: &Config, patch: &Value, level: Level) -> String {
    let mut document = json!({
        "issuer": config.issuer.as_str(),
        "authorization_endpoint": "https://idp.example/authorize",
        "token_endpoint": "https://idp.example/token",
        "jwks_uri": "https://idp.example/keys",
        "userinfo_endpoint": "https://idp.example/userinfo",
        "end_session_endpoint": "https://idp.example/logout",
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "code_challenge_methods_supported": ["S256"],
    });
    for (name, value) in patch.as_object().unwrap() {
        document[name] = value.clone();
    }
    let document = document.as_object().unwrap();
    let mut findings = Findings::default();
    if let Some(metadata) = usable(&mut findings, config, document) {
        announcements(&mut findings, config, &metadata, Announced(document));
    }
    let lines = findings.0.iter().filter(|finding| finding.level >= level).map(ToString::to_string);
    lines.collect::<Vec<_>>().join("\n")
}

fn ec_key() -> ClientAuthentication {
    let pem = SigningKey::new("mine", "ES256").private_pem().into();
    let key = AssertionKey::from_pem(&pem, None, AssertionAudience::default()).unwrap();
    ClientAuthentication::PrivateKeyJwt(key)
}

#[test]
fn entra_is_configured_by_the_id_of_the_tenant() {
    let cases = [
        (
            "https://login.microsoftonline.com/common/v2.0",
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "problem: issuer: The provider names a template, `https://login.microsoftonline.com/{tenantid}/v2.0`, as its issuer: this address is for all tenants. Configure the one of your tenant, with its id: https://login.microsoftonline.com/TENANT-ID/v2.0.",
        ),
        (
            "https://login.microsoftonline.us/common",
            "https://sts.windows.net/{tenantid}/",
            "problem: issuer: The provider names a template, `https://sts.windows.net/{tenantid}/`, as its issuer: this address is for all tenants. Configure the one of your tenant, with its id: https://login.microsoftonline.us/TENANT-ID/v2.0.",
        ),
        (
            TENANT.strip_suffix("/v2.0").unwrap(),
            "https://sts.windows.net/0f0e0d0c-1234-5678-9abc-def012345678/",
            "problem: issuer: This is the address of Entra's older endpoint. Add /v2.0 to the issuer URL.",
        ),
        (
            "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0",
            TENANT,
            &format!("problem: issuer: Entra names the tenant by its id. Configure `{TENANT}`."),
        ),
        (
            &TENANT.replace("DEF", "def"),
            TENANT,
            &format!(
                "problem: issuer: The provider calls itself `{TENANT}`, and `{}` is configured. They differ by upper and lower case. Configure it exactly as the provider does.",
                TENANT.replace("DEF", "def")
            ),
        ),
        (
            &format!("{TENANT}/"),
            TENANT,
            &format!(
                "problem: issuer: The provider calls itself `{TENANT}`, and `{TENANT}/` is configured. They differ by the slash at the end. Configure it exactly as the provider does."
            ),
        ),
    ];
    for (configured, named, line) in cases {
        assert_eq!(said(&config(configured), &json!({"issuer": named})), line);
    }
    assert_eq!(said(&config(TENANT), &json!({})), "");
}

#[test]
fn entra_supports_pkce_without_a_word() {
    let hidden = json!({"code_challenge_methods_supported": null});
    let all = lines(&config(TENANT), &hidden, Level::Good);
    assert!(all.contains("ok: PKCE: S256 is supported, though it is not announced."), "{all}");
    assert!(said(&config("https://idp.example"), &hidden).contains("note: PKCE: The provider does not announce PKCE"));
}

#[test]
fn entra_takes_no_assertion_without_a_certificate() {
    let mut entra = config(TENANT);
    entra.authentication = ec_key();
    let expected = "problem: client authentication: Entra wants a certificate's thumbprint in assertions, which is not sent. Use a client secret.";
    assert_eq!(said(&entra, &json!({})), expected);
}

#[test]
fn assertions_must_be_signed_as_the_provider_can_verify() {
    let mut signing = config("https://idp.example");
    signing.authentication = ec_key();
    let name = "token_endpoint_auth_signing_alg_values_supported";
    for fine in [json!({}), json!({name: ["RS256", "ES256"]}), json!({name: null})] {
        assert_eq!(said(&signing, &fine), "", "{fine}");
    }
    let problem = said(&signing, &json!({name: ["RS256", "PS256"]}));
    assert_eq!(
        problem,
        "problem: client authentication: The provider does not verify assertions that are signed with ES256, but with RS256, PS256. Use a key for one of these."
    );
    let secret = config("https://idp.example");
    assert_eq!(said(&secret, &json!({name: ["RS256"]})), "");
}

#[test]
fn google_grants_refresh_tokens_in_its_own_way() {
    let no_logout = json!({"backchannel_logout_supported": null});
    let with = |parameters: &[(&str, &str)]| {
        let mut google = config(GOOGLE);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        google.authorization_parameters = parameters.iter().map(owned).collect();
        google.scopes.push("offline_access".to_owned());
        said(&google, &no_logout)
    };
    let expected = "note: sessions: Nothing at the provider ends a session here before its time: Google grants a refresh token only with the authorization parameters access_type=offline and prompt=consent. Set them, or shorten auth.sessions.";
    for lacking in [&[][..], &[("access_type", "offline")], &[("access_type", "online"), ("prompt", "consent")]] {
        let said = with(lacking);
        assert!(said.ends_with(expected), "{said}");
    }
    assert!(!with(&[("prompt", "select_account consent"), ("access_type", "offline")]).contains("sessions"));
}

#[test]
fn sessions_that_nothing_ends_are_told() {
    let no_logout = |grants: Value| json!({"backchannel_logout_supported": null, "grant_types_supported": grants});
    let grants = || json!(["authorization_code", "refresh_token"]);
    let plain = config("https://idp.example");
    let mut offline = config("https://idp.example");
    offline.scopes.push("offline_access".to_owned());
    let keycloak = config("https://idp.example/realms/main");
    let ask = "note: sessions: Nothing at the provider ends a session here before its time: ask for offline_access, or shorten auth.sessions.";
    let turn_on = "note: sessions: Nothing at the provider ends a session here before its time: it does not announce the grant type refresh_token. Turn it on there, or shorten auth.sessions.";
    let cases = [
        (&plain, no_logout(grants()), Some(ask)),
        (&plain, no_logout(Value::Null), Some(ask)),
        (&offline, no_logout(grants()), None),
        (&offline, no_logout(Value::Null), None),
        (&keycloak, no_logout(grants()), None),
        (&keycloak, no_logout(json!(["authorization_code"])), Some(turn_on)),
        (&offline, no_logout(json!(["authorization_code"])), Some(turn_on)),
        (&plain, json!({}), None),
    ];
    for (config, document, expected) in cases {
        let said = said(config, &document);
        let found = said.lines().find(|line| line.starts_with("note: sessions"));
        assert_eq!(found, expected, "{document}");
    }
}

#[test]
fn what_is_of_another_type_is_not_there() {
    let odd = json!({
        "grant_types_supported": 7, "response_types_supported": "code", "claims_supported": {}, "scopes_supported": 7,
        "require_signed_request_object": "true", "subject_types_supported": [7, "public"],
    });
    assert_eq!(said(&config("https://idp.example"), &odd), "");
}
