//! The edge from outside: requests in, answers out, peers in memory.

mod agents;
mod audit;
mod bodies;
mod chat;
mod conversations;
mod events;
mod health;
mod http;
mod identity;
mod manual;
mod openapi;
mod server;
mod sessions;
mod shift;
mod staff;
mod workbench;
