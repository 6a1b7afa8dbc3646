import numpy as np

from metrics import class_counts, conditional_accuracy, confusion_matrix


def test_confusions_by_hand():
    confusion = confusion_matrix(asked=[0, 0, 0, 2, 2], predicted=[0, 1, 1, 2, 0], num_classes=4)
    assert confusion.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert conditional_accuracy(confusion) == 2 / 5


def test_rows_are_asked_and_columns_predicted():
    generator = np.random.default_rng(0)
    asked, predicted = generator.integers(0, 5, 300), generator.integers(0, 5, 300)
    confusion = confusion_matrix(asked, predicted, 6)
    assert (confusion.sum(axis=1) == class_counts(asked, 6)).all()
    assert (confusion.sum(axis=0) == class_counts(predicted, 6)).all()
    assert conditional_accuracy(confusion) == (asked == predicted).mean()


def test_classes_that_never_occur_are_counted_as_zero():
    assert class_counts([3, 3, 1], 6).tolist() == [0, 1, 0, 2, 0, 0]
    assert class_counts([], 2).tolist() == [0, 0]
