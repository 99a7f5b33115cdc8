//! Why something was refused: each reason has one stable code, and the sentence that a person sees.

use retinue_model::Error;
use retinue_model::error::Kind;

const AGAIN: &str = "Try again; if it stays, give the code of this error to whoever runs this server.";
const TOKEN: &str = "What the identity provider sent did not pass the checks, so it counts for nothing.";
const OUTAGE: &str = "The identity provider can't be used at the moment.";
const LATER: &str = "Try again in a few minutes; if it stays, tell whoever runs this server.";

/// Declares the reasons: name, kind, code, and the sentence in two parts.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $kind:ident $code:literal, $what:expr, $next:expr;)*) => {
        /// Why something was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable name, for programs and the log.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            const fn kind(self) -> Kind {
                match self {
                    $(Self::$name => Kind::$kind,)*
                }
            }

            const fn sentence(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$name => ($what, $next),)*
                }
            }
        }
    };
}

reasons! {
    /// No connection, or none in time.
    Unreachable = Unavailable "oidc_provider_unreachable", "The identity provider can't be reached.", LATER;
    /// It answered with a fault of its own, or asks for patience.
    ProviderFailed = Unavailable "oidc_provider_failed", "The identity provider has a fault.", LATER;
    /// It answered with a redirect, which is never followed.
    AnswerRedirected = Unavailable "oidc_answer_redirected", OUTAGE, LATER;
    /// Its answer is over the bound.
    AnswerTooLarge = Unavailable "oidc_answer_too_large", OUTAGE, LATER;
    /// Its answer did not come to an end in time.
    AnswerTooSlow = Unavailable "oidc_answer_too_slow", OUTAGE, LATER;
    /// Its answer is not one JSON object, or says that it is something else.
    AnswerNotJson = Unavailable "oidc_answer_not_json", OUTAGE, LATER;
    /// An address lies further inside than the issuer's.
    AddressRefused = Unavailable "oidc_address_refused", OUTAGE, LATER;
    /// The discovery document is of another issuer.
    MetadataIssuer = Unavailable "oidc_metadata_issuer", OUTAGE, LATER;
    /// An endpoint in the discovery document is not https, or no URL.
    MetadataEndpoint = Unavailable "oidc_metadata_endpoint", OUTAGE, LATER;
    /// The discovery document lacks what is required, or has it in another form.
    MetadataIncomplete = Unavailable "oidc_metadata_incomplete", OUTAGE, LATER;
    /// The key set is not one, or has no key that can be used.
    KeySetInvalid = Unavailable "oidc_key_set_invalid", OUTAGE, LATER;

    /// The callback is over the bound.
    CallbackTooLarge = Invalid "oidc_callback_too_large", "The answer of the identity provider is too long.", AGAIN;
    /// A parameter of the callback has characters that it can't have, or two exclude each other.
    CallbackMalformed = Invalid "oidc_callback_malformed", "The answer of the identity provider can't be read.", AGAIN;
    /// A parameter of the callback is there twice.
    CallbackRepeated = Invalid "oidc_callback_repeated", "The answer of the identity provider says something twice.", AGAIN;
    /// The callback lacks a parameter.
    CallbackIncomplete = Invalid "oidc_callback_incomplete", "The answer of the identity provider is not complete.", AGAIN;
    /// The callback's state is not that of this sign-in.
    CallbackState = Invalid "oidc_callback_state", "This answer does not belong to the sign-in that was begun here.", AGAIN;
    /// The sign-in was begun with another provider.
    CallbackProvider = Invalid "oidc_callback_provider", "This sign-in was begun with another identity provider.", AGAIN;
    /// The sign-in was begun too long ago.
    CallbackExpired = Invalid "oidc_callback_expired", "This sign-in was begun too long ago.", "Begin it again.";
    /// The callback names another issuer (RFC 9207).
    CallbackIssuer = Invalid "oidc_callback_issuer", "This answer comes from another identity provider than the one that was asked.", AGAIN;
    /// The callback names no issuer, though this provider always does (RFC 9207).
    CallbackIssuerMissing = Invalid "oidc_callback_issuer_missing", "This answer does not say which identity provider it comes from.", AGAIN;
    /// The person, or the provider's policy, said no.
    Denied = Forbidden "oidc_denied", "The identity provider did not let you in, or the sign-in was cancelled.", "Try again, or ask whoever runs it for access.";
    /// The provider must ask the person something, and was told not to.
    InteractionRequired = Forbidden "oidc_interaction_required", "The identity provider needs to ask you something.", "Sign in again.";
    /// The provider refused for a reason of its own.
    ProviderRefused = Invalid "oidc_provider_refused", "The identity provider refused the sign-in.", AGAIN;

    /// The code is spent, expired or somebody else's.
    CodeRefused = Invalid "oidc_code_refused", "This sign-in was used already, or took too long.", "Begin it again.";
    /// The provider does not accept this client.
    ClientRefused = Internal "oidc_client_refused", "The identity provider does not accept this server.", "Tell whoever runs this server; `retinue doctor` says what is wrong.";
    /// The token endpoint's answer lacks what is required.
    TokenAnswer = Unavailable "oidc_token_answer", TOKEN, AGAIN;
    /// The access token is of a kind that can't be used here.
    TokenType = Unavailable "oidc_token_type", TOKEN, AGAIN;

    /// A token is over the bound.
    TokenTooLarge = Invalid "oidc_token_too_large", TOKEN, AGAIN;
    /// A token is not three parts of base64url with JSON objects in them.
    TokenMalformed = Invalid "oidc_token_malformed", TOKEN, AGAIN;
    /// A token demands an extension (RFC 7515, section 4.1.11).
    TokenCritical = Invalid "oidc_token_critical", TOKEN, AGAIN;
    /// A token of one kind where another is due (RFC 8725, section 3.11).
    TokenKind = Invalid "oidc_token_typ", TOKEN, AGAIN;
    /// An algorithm that is never accepted, or not one that the provider announces.
    TokenAlgorithm = Invalid "oidc_token_algorithm", TOKEN, AGAIN;
    /// No key of the provider has signed this.
    TokenKeyUnknown = Invalid "oidc_token_key_unknown", TOKEN, AGAIN;
    /// More than one key might have signed this.
    TokenKeyAmbiguous = Invalid "oidc_token_key_ambiguous", TOKEN, AGAIN;
    /// The key exists, but is not for this: wrong use, type, algorithm or size.
    TokenKeyUnfit = Invalid "oidc_token_key_unfit", TOKEN, AGAIN;
    /// The signature is wrong.
    TokenSignature = Invalid "oidc_token_signature", TOKEN, AGAIN;
    /// A required claim is missing.
    ClaimMissing = Invalid "oidc_claim_missing", TOKEN, AGAIN;
    /// A claim is of another type than it must be.
    ClaimMalformed = Invalid "oidc_claim_malformed", TOKEN, AGAIN;
    /// Another issuer.
    TokenIssuer = Invalid "oidc_token_issuer", TOKEN, AGAIN;
    /// For another audience.
    TokenAudience = Invalid "oidc_token_audience", TOKEN, AGAIN;
    /// Also for an audience that is not trusted.
    TokenAudienceUntrusted = Invalid "oidc_token_audience_untrusted", TOKEN, AGAIN;
    /// Several audiences, and nothing says which one asked.
    TokenAuthorizedPartyMissing = Invalid "oidc_token_azp_missing", TOKEN, AGAIN;
    /// Another client asked for it.
    TokenAuthorizedParty = Invalid "oidc_token_azp", TOKEN, AGAIN;
    /// Over.
    TokenExpired = Invalid "oidc_token_expired", "What the identity provider sent had expired.", AGAIN;
    /// Issued in the future: a clock is wrong.
    TokenIssuedInFuture = Invalid "oidc_token_issued_in_future", "The clocks of the identity provider and of this server differ.", AGAIN;
    /// Not valid yet.
    TokenNotYetValid = Invalid "oidc_token_not_yet_valid", "The clocks of the identity provider and of this server differ.", AGAIN;
    /// Without the nonce of this sign-in.
    TokenNonceMissing = Invalid "oidc_token_nonce_missing", TOKEN, AGAIN;
    /// With the nonce of another sign-in.
    TokenNonce = Invalid "oidc_token_nonce", TOKEN, AGAIN;
    /// The person signed in longer ago than was asked for.
    TokenAuthTime = Invalid "oidc_token_auth_time", "The identity provider did not ask you to sign in anew.", AGAIN;
    /// When the person signed in was asked for and not said, by a provider that does say it.
    TokenAuthTimeMissing = Invalid "oidc_token_auth_time_missing", "The identity provider did not say when you signed in there.", AGAIN;
    /// The access token is not the one that belongs to this ID token.
    TokenAccessHash = Invalid "oidc_token_at_hash", TOKEN, AGAIN;
    /// The subject is empty, too long, or not in ASCII.
    TokenSubject = Invalid "oidc_token_subject", TOKEN, AGAIN;
    /// A refresh gave another subject.
    TokenSubjectChanged = Invalid "oidc_token_subject_changed", TOKEN, AGAIN;

    /// UserInfo is about somebody else.
    UserInfoSubject = Invalid "oidc_user_info_subject", TOKEN, AGAIN;
    /// UserInfo does not accept the access token.
    UserInfoRefused = Unavailable "oidc_user_info_refused", "The identity provider did not say who you are.", AGAIN;

    /// A required claim is missing, or has no value that is accepted.
    ClaimRefused = Forbidden "oidc_claim_refused", "The identity provider knows you, but you are not among those who may use this server.", "Ask whoever runs this server for access.";

    /// The refresh token no longer counts: expired, revoked, or its person was removed.
    RefreshRevoked = Forbidden "oidc_refresh_revoked", "The identity provider has ended this sign-in.", "Sign in again.";

    /// A logout token without its event.
    LogoutEvent = Invalid "oidc_logout_event", "The logout token has no logout event.", "Send the one that Back-Channel Logout 1.0 describes.";
    /// A logout token with a nonce: it may be an ID token.
    LogoutNonce = Invalid "oidc_logout_nonce", "The logout token has a nonce.", "Send the one that Back-Channel Logout 1.0 describes.";
    /// A logout token that names neither a person nor a session.
    LogoutSubject = Invalid "oidc_logout_subject", "The logout token names neither sub nor sid.", "Send at least one of them.";
}

impl Reason {
    /// The error, with what only the log may see.
    pub(crate) fn because(self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::from(self).because(cause)
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        let (what, next) = reason.sentence();
        Self::new(reason.kind(), reason.code(), format!("{what} {next}"))
    }
}

/// The same error once more, for another caller.
pub(crate) fn copy(error: &Error) -> Error {
    let copied = Error::new(error.kind(), error.code(), error.detail());
    match error.cause_chain() {
        Some(cause) => copied.because(cause),
        None => copied,
    }
}

/// What somebody else wrote, made fit for one line of a log: short, and without control characters.
pub(crate) fn quoted(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(200).collect();
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_code_and_says_what_to_do() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let error = Error::from(*reason);
            assert!(error.code().starts_with("oidc_"), "{error}");
            assert!(error.detail().ends_with('.'), "{error}");
        }
    }

    #[test]
    fn what_others_wrote_stays_on_its_line() {
        assert_eq!(quoted("a\r\nb"), "`a\u{fffd}\u{fffd}b`");
        assert_eq!(quoted(&"x".repeat(9999)).chars().count(), 202);
    }
}
