//! Asking the provider who somebody is (OpenID Connect Core 1.0, section 5.3).

use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::http::{Http, Question};
use crate::json::Object;
use crate::reason::Reason;

/// What the provider says about `subject`, and about nobody else (section 5.3.4).
///
/// # Errors
/// `UserInfoRefused`, `UserInfoSubject`, or why there is no answer.
pub(crate) async fn ask(http: &Http, url: &Url, access_token: &SecretString, subject: &str) -> Result<Object> {
    let authorization = format!("Bearer {}", access_token.expose_secret()).into();
    let answer = http.ask(Question { url, form: None, authorization: Some(authorization) }).await?;
    if matches!(answer.status, 400..=403) {
        return Err(Reason::UserInfoRefused.because(format!("it answered with status {}", answer.status)));
    }
    let claims = answer.success()?;
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(Reason::UserInfoSubject.into());
    }
    Ok(claims)
}
