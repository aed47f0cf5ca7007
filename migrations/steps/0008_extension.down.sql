DROP EXTENSION taskmaster;
