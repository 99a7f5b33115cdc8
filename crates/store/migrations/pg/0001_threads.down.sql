DROP TABLE events;
DROP TABLE messages;
DROP TABLE runs;
DROP TABLE threads;
