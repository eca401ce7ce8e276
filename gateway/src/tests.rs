//! The edge from outside: requests in, answers out, peers in memory.

mod agent_events;
mod agents;
mod audit;
mod bodies;
mod chat;
mod conversations;
mod deliveries;
mod desk;
mod events;
mod floor;
mod health;
mod http;
mod identity;
mod manual;
mod openapi;
mod rules;
mod server;
mod sessions;
mod shift;
mod staff;
mod tickets;
mod workbench;
