-- Keyed by random ids alone: without a rowid there is no number that grows with every ballot.
CREATE TABLE ballot_papers (
  ballot_id TEXT NOT NULL REFERENCES ballot_boxes (ballot_id),
  id TEXT NOT NULL,
  choices TEXT NOT NULL,
  PRIMARY KEY (ballot_id, id)
) WITHOUT ROWID;

-- Written once, at closing, in the order of the ids.
CREATE TABLE counted_papers (
  ballot_id TEXT NOT NULL REFERENCES ballot_boxes (ballot_id),
  id TEXT NOT NULL,
  choices TEXT NOT NULL,
  PRIMARY KEY (ballot_id, id)
) WITHOUT ROWID;
