//! Asking the provider who somebody is (OpenID Connect Core 1.0, section 5.3).

use jiff::Timestamp;
use retinue_model::Result;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::config::UserInfo;
use crate::http::{Http, Question};
use crate::json::Object;
use crate::person::Description;
use crate::provider::Provider;
use crate::reason::Reason;

impl Provider {
    /// What UserInfo says about a subject of whom an ID token says these claims; nothing if it may not be asked. What it says
    /// of another address than the one that is signed is left out.
    ///
    /// # Errors
    /// `UserInfoRefused`, `UserInfoSubject`, or why there is no answer.
    pub(crate) async fn user_info(
        &self,
        access_token: &SecretString,
        (subject, claims): (&str, &Object),
        now: Timestamp,
    ) -> Result<Object> {
        let (config, metadata) = (self.config(), self.metadata(now).await?);
        let url = metadata.userinfo_endpoint.as_ref().filter(|_| config.user_info != UserInfo::Never);
        let Some(url) = url else { return Ok(Object::new()) };
        let mut more = ask(self.http(), url, access_token, subject).await?;
        if Description::of(claims, &config.claims).has_another_address(&Description::of(&more, &config.claims)) {
            more.remove(&config.claims.email_verified);
        }
        Ok(more)
    }
}

/// What the provider says about `subject`, and about nobody else (section 5.3.4).
async fn ask(http: &Http, url: &Url, access_token: &SecretString, subject: &str) -> Result<Object> {
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
