DROP TABLE message_search;
DROP TABLE thread_search;
DROP TABLE events;
DROP TABLE messages;
DROP TABLE runs;
DROP TABLE threads;
