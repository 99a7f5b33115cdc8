//! Conversations of release 0.1: 5,003 of them, three of which are empty, with 100,000 messages, 50,000 runs in every
//! status, and their events. No two rows of a table are alike, and what may be null is so in some rows and not in others.

/// Ids and times by number, in each engine's own types.
pub(super) const NUMBERS_SQLITE: &str = "
    CREATE TEMP TABLE n (i INTEGER PRIMARY KEY, id BLOB, at INTEGER);
    INSERT INTO n WITH RECURSIVE count (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count WHERE i < 100010)
        SELECT i, unhex(printf('%032x', i)), 1700000000000000 + i * 1000003 FROM count;";

pub(super) const NUMBERS_POSTGRES: &str = "
    CREATE TEMP TABLE n (i bigint PRIMARY KEY, id uuid, at timestamptz);
    INSERT INTO n SELECT i, lpad(to_hex(i), 32, '0')::uuid, to_timestamp(1700000000) + i * interval '1000003 microseconds'
        FROM generate_series(1, 100010) i;
    ANALYZE n;";

/// A conversation has 20 messages, and 10 runs, the last of which may be under way.
pub(super) const CONVERSATIONS: &str = r#"
    INSERT INTO threads (id, title, agent_id, model, created_at, updated_at)
        SELECT t.id, CASE WHEN t.i % 4 > 0 THEN 'Conversation ' || t.i END, a.id,
            CASE WHEN t.i % 3 > 0 THEN 'model-' || (t.i % 7) END, t.at, u.at
        FROM n t JOIN n a ON a.i = t.i % 5 + 1 JOIN n u ON u.i = 2 * t.i WHERE t.i <= 5003;
    INSERT INTO runs (id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, input_tokens,
            output_tokens, position, created_at, started_at, finished_at)
        SELECT r.id, t.id, m.id, a.id, 'model-' || (s.i % 7), s.status,
            CASE WHEN s.status = 'failed' THEN 'model_' || (s.i % 3) END,
            CASE WHEN s.status = 'failed' THEN 'It broke at ' || s.i || ': „größer“, ''x''' END,
            CASE WHEN s.status IN ('completed', 'cancelled') AND s.i % 3 > 0 THEN s.i END,
            CASE WHEN s.status IN ('completed', 'cancelled') AND s.i % 3 > 0 THEN 3 * s.i END,
            (s.i - 1) % 10 + 1, r.at, CASE WHEN s.status <> 'queued' THEN b.at END,
            CASE WHEN s.status NOT IN ('queued', 'running') THEN e.at END
        FROM (SELECT i, CASE WHEN i % 40 = 20 THEN 'queued' WHEN i % 40 = 0 THEN 'running' WHEN i % 10 = 7 THEN 'failed'
            WHEN i % 10 = 8 THEN 'cancelled' WHEN i % 10 = 9 THEN 'interrupted' ELSE 'completed' END AS status
            FROM n WHERE i <= 50000) s
        JOIN n r ON r.i = s.i JOIN n t ON t.i = (s.i - 1) / 10 + 1 JOIN n m ON m.i = 2 * s.i - 1
        JOIN n a ON a.i = s.i % 5 + 1 JOIN n b ON b.i = s.i + 1 JOIN n e ON e.i = s.i + 4;
    INSERT INTO messages (id, thread_id, run_id, role, content, position, created_at)
        SELECT m.id, t.id, r.id, CASE WHEN m.i % 2 = 0 THEN 'assistant' ELSE 'user' END,
            'word' || m.i || ' ärger 世界 ''quoted'', "twice",
in two lines', (m.i - 1) % 20 + 1, m.at
        FROM n m JOIN n t ON t.i = (m.i - 1) / 20 + 1 LEFT JOIN n r ON r.i = CASE WHEN m.i % 2 = 0 THEN m.i / 2 END
        WHERE m.i <= 100000;
    INSERT INTO events (run_id, seq, name, data, created_at)
        SELECT r.id, k.seq, CASE k.seq WHEN 1 THEN 'run.started' WHEN 2 THEN 'message.delta' ELSE 'run.' || r.status END,
            '{"text":"piece ' || k.seq || ' of ' || r.position || ' ärger"}',
            CASE k.seq WHEN 3 THEN r.finished_at ELSE r.started_at END
        FROM runs r JOIN (SELECT 1 AS seq UNION ALL SELECT 2 UNION ALL SELECT 3) k
        ON r.started_at IS NOT NULL AND (k.seq < 3 OR r.finished_at IS NOT NULL);
    DROP TABLE n;"#;
