from keras_mer.errors import nearest


def test_nearest_names_the_closest_word_or_nothing():
    assert nearest("epoch", ["epochs", "batch"]) == " (did you mean 'epochs'?)"
    assert nearest("zzz", ["epochs", "batch"]) == ""
