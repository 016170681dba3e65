CREATE TABLE ballot_papers (
  ballot_id TEXT NOT NULL REFERENCES ballot_boxes (ballot_id),
  id TEXT NOT NULL,
  choices TEXT NOT NULL,
  PRIMARY KEY (ballot_id, id)
);

-- Written once, at closing, in the order of the ids and by one transaction.
CREATE TABLE counted_papers (
  ballot_id TEXT NOT NULL REFERENCES ballot_boxes (ballot_id),
  id TEXT NOT NULL,
  choices TEXT NOT NULL,
  PRIMARY KEY (ballot_id, id)
);
