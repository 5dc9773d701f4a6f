//! End to end: the whole suite as it is installed, one behaviour a file.

mod bounces;
mod broken_off;
mod cdb_files;
mod command;
mod deaf_log;
mod dialog;
mod fetching;
mod foreign_servers;
mod kill_storm;
mod little_memory;
mod little_programs;
mod local_senders;
mod netstrings;
mod odd_starts;
mod outbound;
mod qmail_programs;
mod queue_verbs;
mod quickstart;
mod real_peers;
mod refusals;
mod relaying;
mod restart;
mod routes;
mod sending;
mod smtp_dialogs;
mod taking_over;
