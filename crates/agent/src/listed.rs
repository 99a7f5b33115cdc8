//! The list of models that a server gives at `GET /models`.

use serde_json::Value;

use crate::answer::Fault;
use crate::refusal::Refusal;

/// The longest list that is read.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The longest name of a model, in bytes.
const MAX_ID_BYTES: usize = 200;

/// Where servers put the length of the context, what is loaded now before what would be possible: LM Studio, vLLM, Groq,
/// `OpenRouter` and Together, Mistral.
const CONTEXT: [&str; 5] =
    ["loaded_context_length", "max_model_len", "context_window", "context_length", "max_context_length"];
/// The same inside llama.cpp's `meta`.
const CONTEXT_IN_META: [&str; 2] = ["n_ctx", "n_ctx_train"];

/// A model that a server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The model's name as its server knows it.
    pub id: String,
    /// How many tokens it takes in all, if the server says so.
    pub context_tokens: Option<u32>,
}

/// Reads the body of a list.
pub(crate) fn read(body: &[u8]) -> Result<Vec<Listed>, Fault> {
    if body.trim_ascii_start().starts_with(b"<") {
        return Err(Fault::WebPage);
    }
    let list: Value = serde_json::from_slice(body).map_err(|_| Fault::NotJson)?;
    let models = match &list {
        Value::Array(models) => models,
        Value::Object(fields) => match fields.get("data") {
            Some(Value::Array(models)) => models,
            // Ollama without any model.
            Some(Value::Null) => return Ok(Vec::new()),
            _ if fields.contains_key("error") => return Err(Fault::Refused(Refusal::of_json(&list.to_string()))),
            _ => return Err(Fault::NotJson),
        },
        _ => return Err(Fault::NotJson),
    };
    Ok(models.iter().filter_map(one).collect())
}

fn one(model: &Value) -> Option<Listed> {
    let id = model.get("id")?.as_str()?;
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(char::is_control) {
        return None;
    }
    let meta = model.get("meta");
    let context_tokens = CONTEXT
        .iter()
        .filter_map(|name| model.get(name))
        .chain(CONTEXT_IN_META.iter().filter_map(|name| meta?.get(name)))
        .find_map(|tokens| tokens.as_u64().and_then(|tokens| u32::try_from(tokens).ok()).filter(|tokens| *tokens > 0));
    Some(Listed { id: id.to_owned(), context_tokens })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(body: &str) -> Vec<(String, Option<u32>)> {
        read(body.as_bytes()).unwrap().into_iter().map(|model| (model.id, model.context_tokens)).collect()
    }

    #[test]
    fn each_server_names_the_context_its_own_way() {
        let list = r#"{"object":"list","data":[
            {"id":"openai","object":"model","owned_by":"openai"},
            {"id":"vllm","max_model_len":8096},
            {"id":"llama.cpp","meta":{"n_vocab":128256,"n_ctx_train":131072}},
            {"id":"llama.cpp with -c","meta":{"n_ctx_train":131072,"n_ctx":4096}},
            {"id":"openrouter","context_length":1000000},
            {"id":"lm studio","max_context_length":131072,"loaded_context_length":4096},
            {"id":"odd","max_model_len":-1,"context_length":"many","context_window":0}
        ]}"#;
        let expected = [
            ("openai", None),
            ("vllm", Some(8096)),
            ("llama.cpp", Some(131_072)),
            ("llama.cpp with -c", Some(4096)),
            ("openrouter", Some(1_000_000)),
            ("lm studio", Some(4096)),
            ("odd", None),
        ];
        assert_eq!(models(list), expected.map(|(id, context)| (id.to_owned(), context)));
    }

    #[test]
    fn a_bare_array_and_an_empty_list_are_lists() {
        assert_eq!(models(r#"[{"id":"m"}]"#), [("m".to_owned(), None)]);
        assert_eq!(models(r#"{"object":"list","data":null}"#), []);
    }

    #[test]
    fn names_that_are_none_are_left_out() {
        let long = "x".repeat(201);
        assert_eq!(models(&format!(r#"[{{"id":""}},{{"id":7}},{{}},3,{{"id":"a\n"}},{{"id":"{long}"}}]"#)), []);
    }

    #[test]
    fn what_is_no_list_is_told_apart() {
        let fault = |body: &str| read(body.as_bytes()).unwrap_err();
        assert!(matches!(fault("<html>"), Fault::WebPage));
        assert!(matches!(fault("hello"), Fault::NotJson));
        assert!(matches!(fault("{}"), Fault::NotJson));
        assert!(matches!(fault(r#"{"error":"no"}"#), Fault::Refused(_)));
    }
}
