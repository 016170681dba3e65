//! What a shard counts, declared once: totals, and one drop counter for each reason for which a
//! packet is not forwarded. A reason cannot be added without a name and a stage.

/// Where on its way a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Between the socket and its track: one count a packet (or datagram) received.
    Ingress,
    /// Between its track and one subscriber: one count a copy that was not sent.
    Egress,
    /// A retransmission that a subscriber asked for and did not get.
    Resend,
}

impl Stage {
    /// The value of the label `stage`.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Ingress => "ingress",
            Stage::Egress => "egress",
            Stage::Resend => "resend",
        }
    }
}

macro_rules! counters {
    (
        totals { $($(#[$total_doc:meta])* $what:ident: $total:ident,)+ }
        drops { $($(#[$drop_doc:meta])* $reason:ident: $field:ident = $stage:ident $name:literal,)+ }
    ) => {
        /// Totals since the shard began; each drop has its reason.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$total_doc])* pub $total: u64,)+
            $($(#[$drop_doc])* pub $field: u64,)+
        }

        /// What is counted besides drops.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Total {
            $($(#[$total_doc])* $what,)+
        }

        impl Total {
            pub const ALL: &'static [Total] = &[$(Total::$what,)+];
        }

        /// Why a packet was not forwarded.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum DropReason {
            $($(#[$drop_doc])* $reason,)+
        }

        impl DropReason {
            pub const ALL: &'static [DropReason] = &[$(DropReason::$reason,)+];

            /// The value of the label `reason`, unique within its stage.
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$reason => $name,)+ }
            }

            pub const fn stage(self) -> Stage {
                match self { $(DropReason::$reason => Stage::$stage,)+ }
            }
        }

        impl Counters {
            /// Counts `amount` packets dropped for a reason.
            #[inline]
            pub fn drop(&mut self, reason: DropReason, amount: u64) {
                match reason { $(DropReason::$reason => self.$field += amount,)+ }
            }

            pub fn total(&self, total: Total) -> u64 {
                match total { $(Total::$what => self.$total,)+ }
            }

            pub fn dropped(&self, reason: DropReason) -> u64 {
                match reason { $(DropReason::$reason => self.$field,)+ }
            }
        }
    };
}

counters! {
    totals {
        /// Datagrams and bytes received, whatever they were.
        DatagramsIn: datagrams_in,
        BytesIn: bytes_in,
        /// Media packets accepted, and sealed copies of them sent.
        PacketsIn: packets_in,
        PacketsForwarded: packets_forwarded,
        /// Retransmissions sent to subscribers, and NACKed numbers they asked for.
        RtxSent: rtx_sent,
        NacksIn: nacks_in,
        /// Sequence numbers asked of publishers, retransmissions that came, and those that filled
        /// a gap.
        NacksOut: nacks_out,
        RtxIn: rtx_in,
        RtxRepaired: rtx_repaired,
        /// Audio frames taken from redundancy.
        RedRecovered: red_recovered,
        PlisIn: plis_in,
        PlisOut: plis_out,
        /// Packets sent to find out what a connection can take.
        ProbesOut: probes_out,
        /// Key frame requests of one viewer beyond one a second.
        PlisRefused: plis_refused,
    }
    drops {
        /// Not STUN, DTLS, RTP or RTCP.
        Unknown: drop_unknown = Ingress "unknown_protocol",
        /// Media or DTLS from an address that no authenticated check came from.
        Unmapped: drop_unmapped = Ingress "unmapped_address",
        /// STUN refused or for nobody.
        Stun: drop_stun = Ingress "stun_refused",
        /// Media before the keys are there.
        NotReady: drop_not_ready = Ingress "no_keys",
        /// SRTP or SRTCP that failed authentication.
        Authentication: drop_authentication = Ingress "authentication",
        Replayed: drop_replayed = Ingress "replayed",
        /// Authentic, but not readable as RTP or RTCP.
        Malformed: drop_malformed = Ingress "malformed",
        /// An SSRC that belongs to no negotiated media section, or too many of them.
        UnknownSsrc: drop_unknown_ssrc = Ingress "unknown_ssrc",
        PayloadType: drop_payload_type = Ingress "payload_type",
        /// Its track ended while it was on its way.
        NoTrack: drop_no_track = Ingress "track_ended",
        /// Seen before, too old to matter, or a repair of nothing that is missing.
        Duplicate: drop_duplicate = Ingress "duplicate",
        /// Padding without media; used for feedback only.
        Padding: drop_padding = Ingress "padding",
        /// Of a source that is switched off.
        Disabled: drop_disabled = Ingress "source_off",
        /// Nobody has a slot for this track (it may still be captured).
        Unwatched: drop_unwatched = Ingress "no_subscriber",
        /// A microphone that a large room does not hear now (it is captured all the same).
        Unchosen: drop_unchosen = Ingress "voice_not_chosen",
        /// The subscriber has no address or no keys yet, or has just gone.
        SubscriberNotReady: drop_subscriber_not_ready = Egress "subscriber_not_ready",
        /// The subscriber does not show this track, or there is no room for it.
        Paused: drop_paused = Egress "paused",
        /// A layer that this subscriber is not shown.
        Layer: drop_layer = Egress "layer_not_shown",
        /// The slot waits for a key frame to begin with.
        KeyFrame: drop_key_frame = Egress "awaiting_key_frame",
        /// A frame taken from redundancy, for a subscriber who gets the redundancy itself.
        Redundant: drop_redundant = Egress "has_redundancy",
        /// From before the switch to this source, or too late to be given a number.
        Stale: drop_stale = Egress "stale",
        /// Waited for the pacer, and was dropped: the queue was full or its layer was given up.
        Paced: drop_paced = Egress "pacer_queue",
        /// Cannot be sealed, or is too large for a datagram.
        Oversize: drop_oversize = Egress "not_sealable",
        /// More NACKs in one RTCP packet than a sane receiver sends.
        NackFlood: drop_nack_flood = Resend "nack_flood",
        /// Asked for again within a round trip, or never sent under this number.
        ResendPaused: drop_resend_paused = Resend "asked_too_soon",
        /// Beyond the share of its bit rate that a receiver may ask for again.
        ResendRefused: drop_resend_refused = Resend "share_used_up",
        /// Its track has ended, is switched off, or began anew.
        ResendNoTrack: drop_resend_no_track = Resend "track_ended",
        /// No longer in the cache.
        ResendCacheMiss: drop_resend_cache_miss = Resend "cache_miss",
        /// The cached packet cannot be built for this subscriber (codec, redundancy, size).
        ResendUnfit: drop_resend_unfit = Resend "not_sealable",
        /// The subscriber has no address or no keys.
        ResendNotReady: drop_resend_not_ready = Resend "subscriber_not_ready",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own_and_a_counter_of_its_own() {
        let mut names = HashSet::new();
        for (at, reason) in DropReason::ALL.iter().enumerate() {
            let name = reason.name();
            assert!(!name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()));
            assert!(names.insert((reason.stage().name(), name)), "{reason:?} shares its name");
            let mut counters = Counters::default();
            counters.drop(*reason, 7);
            for (other, also) in DropReason::ALL.iter().enumerate() {
                assert_eq!(counters.dropped(*also), if at == other { 7 } else { 0 });
            }
        }
    }
}
