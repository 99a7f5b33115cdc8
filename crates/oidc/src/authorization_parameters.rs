//! What an operator adds to the way to a provider: parameters of its own, such as Google's `access_type`.

/// The most of them.
const MAX_PARAMETERS: usize = 16;
/// The longest one, its name included, in bytes.
const MAX_BYTES: usize = 512;
/// Those that are set here, or that would change what comes back.
const OWN: &[&str] = &[
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "max_age",
    "login_hint",
    "id_token_hint",
    "request",
    "request_uri",
    "registration",
    "dpop_jkt",
    "iss",
];

/// A name and a value.
pub(crate) type Parameter = (String, String);

/// Whether it says what the provider should ask the person; then what one sign-in wants goes before it.
pub(crate) fn is_prompt((name, _): &Parameter) -> bool {
    name.eq_ignore_ascii_case("prompt")
}

/// # Errors
/// What is wrong with them, and how to mend it.
pub(crate) fn check(parameters: &[Parameter]) -> Result<(), String> {
    if parameters.len() > MAX_PARAMETERS {
        return Err(format!("has more than {MAX_PARAMETERS}. Take some out."));
    }
    for (index, (name, value)) in parameters.iter().enumerate() {
        let is_named = |other: &str| name.eq_ignore_ascii_case(other);
        if name.is_empty() {
            return Err("has one without a name. Take it out.".to_owned());
        }
        if name.chars().chain(value.chars()).any(char::is_control) {
            return Err("has one with a control character in it. Take that out.".to_owned());
        }
        if name.len() + value.len() > MAX_BYTES {
            return Err(format!("has one that is longer than {MAX_BYTES} bytes. Shorten it."));
        }
        if OWN.iter().any(|own| is_named(own)) {
            return Err(format!("has {name:?}, which this server sets itself. Take it out."));
        }
        if parameters[..index].iter().any(|(other, _)| is_named(other)) {
            // RFC 6749, section 3.1.
            return Err(format!("has {name:?} twice. Take one out."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(parameters: &[(&str, &str)]) -> String {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        check(&parameters.iter().map(owned).collect::<Vec<_>>()).err().unwrap_or_default()
    }

    #[test]
    fn what_providers_know_may_be_added() {
        assert_eq!(wrong(&[]), "");
        assert_eq!(wrong(&[("access_type", "offline"), ("prompt", "consent"), ("hd", ""), ("acr_values", "ä b")]), "");
        assert_eq!(wrong(&[("a", &"b".repeat(511))]), "");
    }

    #[test]
    fn what_is_set_here_may_not() {
        for name in OWN {
            assert!(wrong(&[(name, "x")]).contains("sets itself"), "{name}");
            assert!(wrong(&[("a", "b"), (&name.to_uppercase(), "x")]).contains("sets itself"), "{name}");
        }
    }

    #[test]
    fn what_can_not_be_is_refused() {
        assert!(wrong(&[("", "x")]).contains("without a name"));
        assert!(wrong(&[("a", "x\r\ny")]).contains("control character"));
        assert!(wrong(&[("a\0", "x")]).contains("control character"));
        assert!(wrong(&[("a", &"b".repeat(512))]).contains("512 bytes"));
        assert!(wrong(&[("a", "b"), ("c", "d"), ("A", "e")]).contains("twice"));
        let many: Vec<_> = (0..17).map(|number| (number.to_string(), String::new())).collect();
        assert!(check(&many).unwrap_err().contains("more than 16"));
        check(&many[..16]).unwrap();
    }
}
