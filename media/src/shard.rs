//! One shard: rooms, peers and their sockets' datagrams on one thread.
