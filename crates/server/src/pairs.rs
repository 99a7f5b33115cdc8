//! Lists of `name=value` in the configuration.

/// Names and values of `name=value`.
pub(crate) fn pairs(texts: &[String]) -> Result<Vec<(String, String)>, String> {
    let split = |text: &String| {
        let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
        pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .ok_or_else(|| format!("“{text}” is not of the form name=value."))
    };
    texts.iter().map(split).collect()
}

/// Each name once, with all its values.
pub(crate) fn grouped(pairs: Vec<(String, String)>) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}
