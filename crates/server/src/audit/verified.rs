//! What was found on the way through the trail, in words and as JSON.

use std::fmt;
use std::fmt::Write as _;

use jiff::Timestamp;
use retinue_store::audit::{Broken, Verified};
use serde_json::{Value, json};

use crate::terminal;

/// A trail is not what was written; with what there is to say of it.
#[derive(Clone, Debug)]
pub(crate) struct NotWhole(String);

impl fmt::Display for NotWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotWhole {}

/// What was found.
///
/// # Errors
/// [`NotWhole`], with the same, if something is not what was written.
pub(super) fn said(trails: &[Verified], as_json: bool) -> anyhow::Result<String> {
    let whole = trails.iter().all(|trail| trail.broken.is_none());
    let for_programs = json!({ "whole": whole, "trails": trails.iter().map(view).collect::<Vec<_>>() });
    let mut for_people: String = trails.iter().map(words).collect();
    if whole {
        for_people.push_str(
            "Note the head where nobody can change it who has the database, and give it to `retinue audit verify --head` next time.\n",
        );
    }
    let said = terminal::said(as_json, &for_programs, for_people);
    if whole { Ok(said) } else { Err(NotWhole(said.trim_end().to_owned()).into()) }
}

fn view(trail: &Verified) -> Value {
    json!({
        "organization_id": trail.head.organization,
        "whole": trail.broken.is_none(),
        "events": trail.events,
        "first": trail.let_go + 1,
        "last": trail.head.seq,
        "from": trail.from,
        "until": trail.until,
        "head": trail.head.to_string(),
        "broken": trail.broken.map(|broken| json!({
            "kind": kind(broken),
            "seq": place(broken),
            "detail": detail(broken),
        })),
    })
}

fn words(trail: &Verified) -> String {
    let Verified { events, head, let_go, .. } = trail;
    let mut text = match trail.broken {
        None => format!("The trail of {} is whole.\n", head.organization),
        Some(broken) => format!("The trail of {} is not what was written: {}\n", head.organization, detail(broken)),
    };
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    if *events == 0 {
        text.push_str("  good      no events\n");
    } else {
        let (from, until) = (time(trail.from), time(trail.until));
        let _ = writeln!(text, "  good      {events} events, {} to {}, from {from} to {until}", let_go + 1, head.seq);
    }
    if *let_go > 0 {
        let _ = writeln!(text, "  let go    1 to {let_go}, as the retention says");
    }
    if trail.broken.is_none() {
        let _ = writeln!(text, "  head      {head}");
    }
    text
}

const fn kind(broken: Broken) -> &'static str {
    match broken {
        Broken::NoHead => "no_head",
        Broken::Removed(..) => "removed",
        Broken::Altered(_) => "altered",
        Broken::Moved(..) => "moved",
        Broken::CutOff(..) => "cut_off",
        Broken::HeadDiffers(_) => "head_differs",
        Broken::Added(_) => "added",
        Broken::NotTold(_) => "not_told",
        Broken::NotAsNoted(_) => "not_as_noted",
        Broken::EndsBeforeNoted(_) => "ends_before_noted",
        Broken::NotedIsGone(_) => "noted_is_gone",
    }
}

/// The number of the first event that it concerns.
const fn place(broken: Broken) -> i64 {
    match broken {
        Broken::NoHead => 0,
        Broken::Removed(seq, _)
        | Broken::Altered(seq)
        | Broken::Moved(seq, _)
        | Broken::CutOff(seq, _)
        | Broken::HeadDiffers(seq)
        | Broken::Added(seq)
        | Broken::NotTold(seq)
        | Broken::NotAsNoted(seq)
        | Broken::EndsBeforeNoted(seq)
        | Broken::NotedIsGone(seq) => seq,
    }
}

fn detail(broken: Broken) -> String {
    let several = |from: i64, to: i64| {
        if from == to { format!("event {from} was") } else { format!("events {from} to {to} were") }
    };
    match broken {
        Broken::NoHead => "what says where it ends was removed.".to_owned(),
        Broken::Removed(from, to) => format!("{} removed.", several(from, to)),
        Broken::Altered(seq) => format!("event {seq} was altered."),
        Broken::Moved(seq, to) => format!("event {seq} is out of order: it stands in the place of {to}."),
        Broken::CutOff(from, to) => format!("its end was cut off: {} removed.", several(from, to)),
        Broken::HeadDiffers(seq) => {
            format!(
                "event {seq}, its end, is not the one that the head names: the end was removed, or the head altered."
            )
        }
        Broken::Added(seq) => format!("event {seq} comes after its end: it was added, or the head was set back."),
        Broken::NotTold(seq) => format!("events 1 to {seq} are gone, and nothing tells that they were let go of."),
        Broken::NotAsNoted(seq) => {
            format!("event {seq} is not the one that was noted: all of it was written anew, up to there at least.")
        }
        Broken::EndsBeforeNoted(seq) => {
            format!("it ends with event {seq}, before the one that was noted: its end was cut off.")
        }
        Broken::NotedIsGone(seq) => {
            format!(
                "what was noted is gone, with events 1 to {seq}: they were let go of. Nothing is shown by it any more; note the head anew."
            )
        }
    }
}
