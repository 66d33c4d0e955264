"""From a user's files to a prepared data set: readers, checks, calendar, writer, summary."""
