//! Who can sign in with a password.

pub(crate) const COUNT: usize = 50;
pub(crate) const PASSWORD: &str = "seven geese over the harbour";
