"""Four module presentations of the Open University (Kuzilek, Hlosta and Zdrahal 2017) as mentoring programs."""
