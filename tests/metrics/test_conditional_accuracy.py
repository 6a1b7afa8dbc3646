import numpy as np

from metrics import conditional_accuracy, confusion_matrix


def test_confusions_by_hand():
    asked, predicted = [0, 0, 0, 2, 2], [0, 1, 1, 2, 0]
    confusion = confusion_matrix(asked, predicted, num_classes=4)
    assert confusion.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert conditional_accuracy(asked, predicted, num_classes=4) == 2 / 5


def test_rows_are_asked_and_columns_predicted():
    generator = np.random.default_rng(0)
    asked, predicted = generator.integers(0, 5, 300), generator.integers(0, 5, 300)
    confusion = confusion_matrix(asked, predicted, 6)
    for label in range(6):
        assert confusion[label].sum() == np.count_nonzero(asked == label)
        assert confusion[:, label].sum() == np.count_nonzero(predicted == label)
    assert conditional_accuracy(asked, predicted, 6) == (asked == predicted).mean()


def test_no_samples_have_no_confusions():
    assert confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]
