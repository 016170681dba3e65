//! The media server on real sockets, spoken to by clients that share no code with it.

mod live {
    pub mod capture;
    pub mod faults;
    pub mod meeting;
    pub mod rig;
    pub mod spanning;
}
