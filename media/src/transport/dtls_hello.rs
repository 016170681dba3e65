//! A look into the first ClientHello.
