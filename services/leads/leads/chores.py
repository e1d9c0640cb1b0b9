"""What leads does though nobody asks, for as long as its process lives."""

from leads import (
    approaching,
    bulk_editing,
    delivering,
    enriching,
    handing_out,
    model_training,
    notifying,
    overdue,
    prospecting,
    scorekeeping,
)

CHORES = (
    handing_out.hand_out,
    handing_out.prune,
    overdue.look,
    notifying.prune,
    bulk_editing.prune,
    prospecting.prune,
    scorekeeping.keep_scores,
    model_training.train_models,
    approaching.count_tries,
    *delivering.CHORES,
    *enriching.CHORES,
)
