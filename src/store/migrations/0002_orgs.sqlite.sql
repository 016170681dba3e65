CREATE TRIGGER org_edges_no_update BEFORE UPDATE ON org_edges
BEGIN SELECT RAISE(ABORT, 'org_edges is append-only'); END;
CREATE TRIGGER org_edges_no_delete BEFORE DELETE ON org_edges
BEGIN SELECT RAISE(ABORT, 'org_edges is append-only'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
