//! The websocket shell.
