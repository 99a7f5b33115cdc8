//! The product through its doors.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod admin;
mod administration;
mod auth;
mod bad_input;
mod both_ways;
mod browser;
mod connection;
mod device;
mod disk_full;
mod doctor;
mod ends;
mod equal_work;
mod event;
mod guard;
mod identity;
mod isolation;
mod key;
mod kill;
mod link;
mod linking;
mod local;
mod message;
mod notice;
mod openapi;
mod out_meanwhile;
mod page;
mod password;
mod place;
mod postgres_fault;
mod principal;
mod program;
mod proof;
mod refresh;
mod revocation;
mod run;
mod running;
mod session;
mod sign_in;
mod sign_in_hostile;
mod statements;
mod thread;
mod upgrade;
mod user;
mod voucher;
