//! Rows that are written together or not at all.

use retinue_model::audit::AuditEvent;
use retinue_model::event::Event;
use retinue_model::{Error, OrganizationId, Result};

use crate::scope::Pen;
use crate::statement::Statement;
use crate::value::Value;

/// Statements, events and what the audit trail says of them, written together or not at all: the statements first and in
/// order, the trail last.
///
/// Writing a batch twice leaves what writing it once does: after a COMMIT whose answer was lost, that is what happens.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) writes: Vec<Write>,
    pub(crate) events: Vec<Event>,
    pub(crate) audits: Vec<Audit>,
}

/// An event of an organization's audit trail.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) organization: OrganizationId,
    pub(crate) event: AuditEvent,
}

/// One statement of a batch.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) statement: &'static Statement,
    pub(crate) params: Vec<Value<'static>>,
    /// What it means if no row was there to be changed; none if that is as well.
    otherwise: Option<fn() -> Error>,
}

impl Batch {
    /// Only this event.
    #[must_use]
    pub fn of_event(pen: &Pen, event: Event) -> Self {
        let mut batch = Self::default();
        batch.event(pen, event);
        batch
    }

    /// Adds an event of the pen's run; another's is left out.
    pub fn event(&mut self, pen: &Pen, event: Event) {
        debug_assert_eq!(pen.run(), event.run_id, "a pen writes its own run");
        if pen.run() == event.run_id {
            self.events.push(event);
        }
    }

    pub(crate) fn audit(&mut self, organization: OrganizationId, event: AuditEvent) {
        self.audits.push(Audit { organization, event });
    }

    /// How many statements it has; an event is one, of a run or of the trail.
    pub(crate) fn statements(&self) -> usize {
        self.writes.len() + self.events.len() + self.audits.len()
    }

    /// Adds a statement.
    pub(crate) fn write(&mut self, statement: &'static Statement, params: impl Into<Vec<Value<'static>>>) {
        self.writes.push(Write { statement, params: params.into(), otherwise: None });
    }

    /// Adds a statement that must change a row, or else nothing of the batch is written.
    pub(crate) fn require(
        &mut self,
        statement: &'static Statement,
        params: impl Into<Vec<Value<'static>>>,
        otherwise: fn() -> Error,
    ) {
        self.writes.push(Write { statement, params: params.into(), otherwise: Some(otherwise) });
    }
}

impl Write {
    /// Whether the number of rows that it changed will do.
    pub(crate) fn check(&self, rows: u64) -> Result<()> {
        match self.otherwise {
            Some(otherwise) if rows == 0 => Err(otherwise()),
            _ => Ok(()),
        }
    }
}
