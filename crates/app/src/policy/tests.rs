use std::fmt::Write as _;

use proptest::prelude::*;
use retinue_model::agent::Sharing;
use retinue_model::membership::Role;

use super::{Action, Decision, Facts, TABLE, Who, decide, row};

#[test]
fn each_action_has_its_line() {
    let lines: Vec<_> = TABLE.iter().map(|row| row.action).collect();
    assert_eq!(lines, Action::ALL);
    for action in Action::ALL {
        assert_eq!(row(*action).action, *action);
        assert_eq!(Action::named(action.as_str()), Some(*action));
    }
}

/// The whole table as a person reads it. `RETINUE_WRITE_SNAPSHOTS=1` writes it anew.
#[test]
fn the_table_is_what_is_written_down() {
    let words = |all: &[Who]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    let mut text = "# Who may do what. Of whoever may not, those after `seen by` are told so; for all others it does not exist.\n\n".to_owned();
    for row in TABLE {
        let seen = if row.visible.is_empty() { String::new() } else { format!("   seen by {}", words(row.visible)) };
        writeln!(text, "{:30} {}{seen}", row.action.as_str(), words(row.allowed)).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/policy/table.txt");
    if std::env::var_os("RETINUE_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text, "src/policy/table.txt says something else");
}

fn facts() -> impl Strategy<Value = Facts> {
    let role = prop::option::of(prop::sample::select(&Role::ALL[..]));
    let sharing = prop::option::of(prop::sample::select(&Sharing::ALL[..]));
    (any::<(bool, bool, bool, bool)>(), role, sharing).prop_map(
        |((disabled, organization_admin, oneself, maker), role, sharing)| Facts {
            disabled,
            organization_admin,
            role,
            oneself,
            maker,
            sharing,
        },
    )
}

proptest! {
    #[test]
    fn whoever_is_shut_out_may_do_nothing_and_sees_nothing(facts in facts(), action in prop::sample::select(Action::ALL)) {
        let Decision { by, is_visible, .. } = decide(&Facts { disabled: true, ..facts }, action);
        prop_assert!(by.is_none() && !is_visible);
    }

    #[test]
    fn a_higher_role_may_no_less(facts in facts(), action in prop::sample::select(Action::ALL)) {
        let with = |role| decide(&Facts { role, ..facts }, action);
        let mut before = with(None);
        for role in Role::ALL {
            let now = with(Some(role));
            prop_assert!(now.is_allowed() || !before.is_allowed());
            prop_assert!(now.is_visible || !before.is_visible);
            before = now;
        }
    }

    #[test]
    fn what_is_allowed_may_be_known(facts in facts(), action in prop::sample::select(Action::ALL)) {
        let decision = decide(&facts, action);
        prop_assert!(decision.is_visible || !decision.is_allowed());
    }

    /// Running the installation is no way into what somebody said, or into an agent that is not shared with all.
    #[test]
    fn an_organization_admin_reads_no_more_than_anybody(facts in facts()) {
        for action in [Action::ThreadUse, Action::AgentRead, Action::AgentUse, Action::AgentChange, Action::AgentDelete] {
            let with = |organization_admin| decide(&Facts { organization_admin, ..facts }, action);
            prop_assert_eq!(with(true).by, with(false).by);
            prop_assert_eq!(with(true).is_visible, with(false).is_visible);
        }
    }

    #[test]
    fn a_conversation_is_its_owners(facts in facts()) {
        prop_assert_eq!(decide(&facts, Action::ThreadUse).is_allowed(), facts.oneself && !facts.disabled);
    }
}
