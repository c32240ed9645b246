"""The lab: the seeded table, the servers, the bench, the plots and the learner's progress."""
