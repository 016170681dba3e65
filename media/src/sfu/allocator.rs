//! Dividing what a subscriber can take among the pictures it shows. Pure; see `docs/ALLOCATION.md`.
//!
//! Sound is not asked: it is always sent, and its rate is taken off before. Of the pictures each
//! first gets its lowest step, in the order of rank; then they are raised, again by rank, those of
//! equal rank in turns. What does not fit gets nothing: it is paused.

/// Steps of one picture: the lowest layer thinned out, and each spatial layer.
pub const STEPS: usize = 4;

/// What one picture asks for and has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claim {
    /// Served before higher ones.
    pub rank: u16,
    /// Bit/s up to each step, ascending; only the first `steps` count.
    pub costs: [u64; STEPS],
    pub steps: u8,
    /// The step that it has; None: paused.
    pub granted: Option<u8>,
    /// Not decided on before: it may begin even while nothing is raised.
    pub fresh: bool,
}

/// Room that must be left above a step not held yet, in percent: what is raised shall stay.
const HEADROOM: u64 = 15;
/// By how much a step that is held may exceed what is left, in percent: figures are never exact.
const TOLERANCE: u64 = 8;

impl Claim {
    /// What a step counts for against what is left.
    fn price(&self, step: u8) -> u64 {
        let cost = self.costs[usize::from(step)];
        match self.granted {
            Some(held) if step <= held => cost * (100 - TOLERANCE) / 100,
            _ => cost * (100 + HEADROOM) / 100,
        }
    }
}

/// Divides `budget` (bit/s) among at most [`MAX_CLAIMS`] (what is beyond is paused), replacing what
/// is granted. Without `may_raise` nothing gets more than it has; without `may_pause` what is shown
/// or begins keeps its lowest step, whatever it costs.
pub fn divide(budget: u64, claims: &mut [Claim], may_raise: bool, may_pause: bool) {
    let mut order = [0usize; MAX_CLAIMS];
    let mut count = 0;
    for at in (0..claims.len()).filter(|at| claims[*at].steps > 0).take(MAX_CLAIMS) {
        order[count] = at;
        count += 1;
    }
    let order = &mut order[..count];
    // Equal ranks keep the order of the slots.
    order.sort_unstable_by_key(|at| (claims[*at].rank, *at));
    let mut left = budget;
    let mut next = [None; MAX_CLAIMS];
    let allowed = |claim: &Claim, step: u8| {
        let held = claim.granted.is_some_and(|held| step <= held);
        step < claim.steps && (may_raise || held || claim.fresh && step == 0)
    };
    for (place, at) in order.iter().enumerate() {
        let claim = &claims[*at];
        let price = claim.price(0);
        let keeps = !may_pause && (claim.granted.is_some() || claim.fresh);
        if keeps || allowed(claim, 0) && price <= left {
            left = left.saturating_sub(price);
            next[place] = Some(0);
        }
    }
    let mut from = 0;
    while from < order.len() {
        let rank = claims[order[from]].rank;
        let same = order[from..].iter().take_while(|at| claims[**at].rank == rank).count();
        // In turns, one step each, until nobody of this rank can be raised.
        let mut raised = true;
        while std::mem::take(&mut raised) {
            for place in from..from + same {
                let claim = &claims[order[place]];
                let Some(step) = next[place] else { continue };
                if !allowed(claim, step + 1) {
                    continue;
                }
                let more = claim.price(step + 1).saturating_sub(claim.price(step));
                if more <= left {
                    left -= more;
                    next[place] = Some(step + 1);
                    raised = true;
                }
            }
        }
        from += same;
    }
    claims.iter_mut().for_each(|claim| claim.granted = None);
    for (place, at) in order.iter().enumerate() {
        claims[*at].granted = next[place];
    }
}

/// Of several pictures that were paused and could come again only the first does, and nothing else
/// is raised meanwhile: what it costs is known a moment later, and what the link makes of it.
/// Without `may_resume` not even that. True: one comes again.
pub fn one_by_one(before: &[Claim], claims: &mut [Claim], may_resume: bool) -> bool {
    let again = |before: &Claim, claim: &Claim| {
        before.granted.is_none() && !before.fresh && claim.granted.is_some()
    };
    let waiting = claims.iter().zip(before).enumerate();
    let first = waiting
        .filter(|(_, (claim, before))| again(before, claim))
        .min_by_key(|(at, (claim, _))| (claim.rank, *at))
        .map(|(at, _)| at);
    let Some(first) = first else { return false };
    for (at, (claim, before)) in claims.iter_mut().zip(before).enumerate() {
        if !before.fresh && (at != first || !may_resume) {
            claim.granted = claim.granted.min(before.granted);
        }
    }
    may_resume
}

/// Pictures of one subscriber that are divided among; as many slots as it can have.
pub const MAX_CLAIMS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim() -> impl Strategy<Value = Claim> {
        let costs = proptest::collection::vec(20_000u64..900_000, STEPS);
        (0u16..4, costs, 1u8..=STEPS as u8, proptest::option::of(0u8..STEPS as u8)).prop_map(
            |(rank, more, steps, granted)| {
                let mut costs = [0; STEPS];
                let mut sum = 0;
                for (cost, more) in costs.iter_mut().zip(more) {
                    sum += more;
                    *cost = sum;
                }
                let granted = granted.filter(|step| *step < steps);
                Claim { rank, costs, steps, granted, fresh: false }
            },
        )
    }

    fn claims() -> impl Strategy<Value = Vec<Claim>> {
        proptest::collection::vec(claim(), 0..12)
    }

    fn granted(claims: &[Claim]) -> Vec<Option<u8>> {
        claims.iter().map(|claim| claim.granted).collect()
    }

    fn run(budget: u64, claims: &[Claim], may_raise: bool) -> Vec<Claim> {
        let mut next = claims.to_vec();
        divide(budget, &mut next, may_raise, true);
        next
    }

    fn cost(claims: &[Claim]) -> u64 {
        claims.iter().filter_map(|c| Some(c.costs[usize::from(c.granted?)])).sum()
    }

    proptest! {
        #[test]
        fn no_more_is_given_than_there_is(claims in claims(), budget in 0u64..6_000_000) {
            let next = run(budget, &claims, true);
            prop_assert!(cost(&next) * (100 - TOLERANCE) / 100 <= budget + 100);
            // And what is new fits with room to spare.
            let fresh: Vec<Claim> =
                claims.iter().map(|claim| Claim { granted: None, ..*claim }).collect();
            prop_assert!(cost(&run(budget, &fresh, true)) * (100 + HEADROOM) / 100 <= budget + 100);
        }

        #[test]
        fn the_lowest_for_all_comes_before_more_for_some(
            claims in claims(), budget in 0u64..6_000_000,
        ) {
            let next = run(budget, &claims, true);
            let lowest: u64 = claims.iter().zip(&next).filter(|(_, n)| n.granted.is_some())
                .map(|(before, _)| before.price(0)).sum();
            for (before, after) in claims.iter().zip(&next) {
                if after.granted.is_none() {
                    let before_it: u64 = claims.iter().zip(&next)
                        .filter(|(c, n)| n.granted.is_some() && c.rank <= before.rank)
                        .map(|(c, _)| c.price(0)).sum();
                    prop_assert!(before_it + before.price(0) > budget, "{lowest} {before:?}");
                }
            }
        }

        #[test]
        fn the_first_in_rank_gets_what_it_would_get_alone_above_the_lowest_of_all(
            claims in claims(), budget in 0u64..6_000_000,
        ) {
            let Some(first) = (0..claims.len()).min_by_key(|at| claims[*at].rank) else {
                return Ok(());
            };
            let unique = claims.iter().filter(|c| c.rank == claims[first].rank).count() == 1;
            let next = run(budget, &claims, true);
            if unique && next.iter().all(|claim| claim.granted.is_some()) {
                let others: u64 = claims.iter().enumerate().filter(|(at, _)| *at != first)
                    .map(|(_, claim)| claim.price(0)).sum();
                let alone = run(budget - others, &claims[first..=first], true);
                prop_assert_eq!(next[first].granted, alone[0].granted);
            }
        }

        #[test]
        fn what_was_decided_stays_decided(claims in claims(), budget in 0u64..6_000_000) {
            let mut next = run(budget, &claims, true);
            // Holding makes things cheaper: it may settle upwards, but only so often.
            for _ in 0..4 * claims.len() + 1 {
                next = run(budget, &next, true);
            }
            prop_assert_eq!(granted(&run(budget, &next, true)), granted(&next));
            // And an estimate that trembles changes nothing.
            for tremble in [99, 101, 98, 102, 100] {
                let settled = run(budget * tremble / 100, &next, false);
                prop_assert!(cost(&settled) <= cost(&next));
            }
        }

        #[test]
        fn without_leave_nothing_is_raised(claims in claims(), budget in 0u64..6_000_000) {
            for (before, after) in claims.iter().zip(run(budget, &claims, false)) {
                prop_assert!(after.granted <= before.granted);
            }
        }

        #[test]
        fn on_a_doubtful_estimate_nothing_is_paused_and_nobody_gets_more(
            claims in claims(), budget in 0u64..6_000_000,
        ) {
            let mut next = claims.clone();
            divide(budget, &mut next, true, false);
            let sure = run(budget, &claims, true);
            for ((before, after), sure) in claims.iter().zip(&next).zip(&sure) {
                prop_assert!(before.granted.is_none() || after.granted.is_some());
                prop_assert!(after.granted <= sure.granted.max(before.granted.and(Some(0))));
            }
        }

        #[test]
        fn more_never_means_less_for_the_first(claims in claims(), budget in 0u64..6_000_000) {
            let fresh: Vec<Claim> =
                claims.iter().map(|claim| Claim { granted: None, ..*claim }).collect();
            let (less, more) = (run(budget, &fresh, true), run(budget + 500_000, &fresh, true));
            let shown = |claims: &[Claim]| claims.iter().filter(|c| c.granted.is_some()).count();
            if shown(&less) == claims.len() {
                prop_assert_eq!(shown(&more), claims.len());
            }
        }
    }

    #[test]
    fn a_screen_and_twenty_faces_on_two_megabits() {
        let face = Claim {
            rank: 5,
            costs: [60_000, 120_000, 450_000, 1_400_000],
            steps: 2,
            ..Claim::default()
        };
        let screen = Claim {
            rank: 0,
            costs: [200_000, 400_000, 1_200_000, 1_200_000],
            steps: 3,
            ..Claim::default()
        };
        let mut claims = vec![face; 20];
        claims.push(screen);
        let at = |budget| granted(&run(budget, &claims, true));
        let two = at(1_700_000);
        assert_eq!(two[20], Some(0), "all faces first");
        assert!(two[..20].iter().all(|step| step.is_some()));
        let three = at(3_000_000);
        assert_eq!(three[20], Some(2), "then the screen");
        let thin = at(300_000);
        assert_eq!(thin[20], Some(0), "the screen is the last to go");
        assert_eq!(thin.iter().flatten().count(), 2);
    }

    proptest! {
        #[test]
        fn what_was_paused_comes_again_one_by_one(claims in claims(), budget in 0u64..9_000_000) {
            let all = run(budget, &claims, true);
            for may_resume in [true, false] {
                let mut next = all.clone();
                let one = one_by_one(&claims, &mut next, may_resume);
                let again = |next: &[Claim]| {
                    let pairs = claims.iter().zip(next);
                    pairs.filter(|(c, n)| c.granted.is_none() && n.granted.is_some()).count()
                };
                prop_assert_eq!(again(&next), usize::from(one));
                prop_assert_eq!(one, may_resume && again(&all) > 0);
                prop_assert!(next.iter().zip(&all).all(|(next, all)| next.granted <= all.granted));
                if again(&all) == 0 {
                    prop_assert_eq!(granted(&next), granted(&all));
                }
            }
        }
    }

    #[test]
    fn a_step_is_not_taken_and_given_back_in_turns() {
        let claim = Claim {
            rank: 0,
            costs: [100_000, 500_000, 1_500_000, 0],
            steps: 3,
            granted: Some(1),
            fresh: false,
        };
        let mut claims = [claim];
        let mut changes = 0;
        for round in 0..100u64 {
            let before = claims[0].granted;
            // An estimate that trembles by 5 % around the cost of the higher step.
            let budget = 1_500_000 * (95 + round * 7 % 11) / 100;
            divide(budget, &mut claims, true, true);
            changes += u32::from(before != claims[0].granted);
        }
        assert!(changes <= 1, "{changes}");
    }
}
