"""What "reviewed 7 of 19" counts."""

from napari_petlut.plugin.editing.reviewing import Review
from napari_petlut.plugin.editing.suspects import Suspect, SuspectKind


def suspect(crystal, place=(0.0, 0.0), kind=SuspectKind.DOUBTFUL):
    return Suspect(kind, place, crystal, 0, f"crystal {crystal}")


A, B, C = suspect(3), suspect(5), suspect(-1, (1.0, 2.0), SuspectKind.EXTRA)


def test_what_was_visited_or_settled_is_reviewed():
    review = Review()
    assert review.sentence == ""
    review.update([A, B, C], settled=True)
    assert review.sentence == "reviewed 0 of 3"
    review.visit(B)
    review.visit(B)
    assert review.counted == (1, 3)
    review.update([A, B], settled=True)  # the extra peak was deleted without a visit
    assert review.counted == (2, 3)
    review.update([A], settled=True)
    assert review.counted == (2, 3)
    assert review.current is None
    review.look_at([A])
    review.update([], settled=True)
    assert review.sentence == "reviewed 3 of 3"


def test_what_an_undo_takes_away_was_not_reviewed():
    review = Review()
    review.update([A], settled=True)
    review.update([A, B], settled=True)  # by an edit
    review.update([A], settled=False)  # which was undone
    assert review.counted == (0, 1)


def test_a_crystal_is_one_thing_to_look_at_whatever_is_the_matter_with_it():
    review = Review()
    review.update([A], settled=True)
    review.visit(A)
    review.update([suspect(3, kind=SuspectKind.MISSING)], settled=True)
    assert review.counted == (1, 1)


def test_a_new_run_begins_a_new_review_and_keeps_the_place():
    review = Review()
    review.update([A, B], settled=True)
    review.visit(A)
    review.begin()
    review.update([A, B, C], settled=True)
    assert review.counted == (0, 3)
    assert review.beside(1) is B
    assert review.beside(-1) is C
