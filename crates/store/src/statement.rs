//! SQL texts with their names.

/// One SQL text. `$1`, `$2`… stand in the order of their first use, because SQLite numbers them so.
#[derive(Debug)]
pub struct Statement {
    /// Where it stands: `module::NAME`.
    pub name: &'static str,
    /// The text for SQLite.
    pub sqlite: &'static str,
    /// The text for PostgreSQL; the same one unless the engines have no common words for it.
    pub postgres: &'static str,
}

/// Declares statements: `NAME = "text";` for both engines, or `NAME = sqlite "text" postgres "text";`.
macro_rules! statements {
    ($($name:ident = $(sqlite $sqlite:literal postgres)? $text:literal;)*) => {
        $(pub(crate) static $name: $crate::Statement = $crate::statement::statements!(@one $name $(sqlite $sqlite postgres)? $text);)*
        pub(crate) const ALL: &[&$crate::Statement] = &[$(&$name),*];
    };
    (@one $name:ident sqlite $sqlite:literal postgres $text:literal) => {
        $crate::Statement { name: concat!(module_path!(), "::", stringify!($name)), sqlite: $sqlite, postgres: $text }
    };
    (@one $name:ident $text:literal) => {
        $crate::Statement { name: concat!(module_path!(), "::", stringify!($name)), sqlite: $text, postgres: $text }
    };
}
pub(crate) use statements;
