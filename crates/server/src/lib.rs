//! The program: configuration, wiring, command line, logs, start and stop. Holds no rule and no query.

mod access;
mod audit;
pub mod auth;
pub mod cli;
pub mod config;

mod agent;
mod api_key;
mod budget;
pub mod declared_agent;
mod doctor;
mod environment;
mod greeting;
mod group_rule;
mod invitation;
mod key;
mod layers;
mod listen;
mod local;
mod member;
mod migrate;
mod offboarding;
mod operator;
mod pairs;
mod password_prompt;
mod patient;
mod public_url;
mod reference;
mod serve;
mod show;
mod system;
mod team;
mod telemetry;
mod terminal;
mod usage;
mod user;
mod wiring;
