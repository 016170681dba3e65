CREATE TRIGGER minutes_versions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON minutes_versions
  FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER daily_chains_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON daily_chains
  FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER daily_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON daily_entries
  FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
