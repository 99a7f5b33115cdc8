//! Which field of a form an error belongs beside.

use retinue_model::Error;

/// What is wrong with a form.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    field: &'static str,
    pub(crate) detail: String,
}

impl Wrong {
    /// Beside the field that the error's code tells of, or else below the form.
    pub(crate) fn of(error: &Error) -> Self {
        let field = match error.code() {
            "invalid_name" | "name_taken" => "name",
            "invalid_slug" | "slug_taken" => "slug",
            "invalid_email" | "email_too_long" | "email_not_ascii" | "address_taken" => "email",
            "password_too_short" | "password_too_long" | "password_common" => "password",
            "wrong_password" => "current_password",
            "code_wrong" | "code_dead" => "code",
            _ => "form",
        };
        Self { field, detail: error.detail().to_owned() }
    }

    /// Beside this one, whatever it is.
    pub(crate) fn beside(field: &'static str, error: &Error) -> Self {
        Self { field, detail: error.detail().to_owned() }
    }

    /// Beside this one, in other words than the error's.
    pub(crate) fn saying(field: &'static str, detail: &str) -> Self {
        Self { field, detail: detail.to_owned() }
    }

    /// Below the form.
    pub(crate) fn of_form(error: &Error) -> Self {
        Self { field: "form", detail: error.detail().to_owned() }
    }

    pub(crate) fn is(&self, field: &str) -> bool {
        self.field == field
    }
}
