# ruff: noqa: RUF001  (other alphabets are the content)
"""What the analyser makes of people's texts, in many languages."""

from __future__ import annotations

import time

import pytest

from omnimemory.core.text import detect_language, normalised, query_tokens, sentences, tokens


def test_english_is_stemmed_and_its_function_words_are_left_out() -> None:
    assert tokens("I was running to the libraries with my dogs") == ("run", "librari", "dog")


@pytest.mark.parametrize("word", ["work", "home", "new", "year", "May", "move", "young", "first"])
def test_words_people_ask_memories_for_are_no_function_words(word: str) -> None:
    assert tokens(f"What about the {word} then?") != ()
    assert len(tokens(f"the {word}")) == 1


def test_a_text_of_function_words_alone_keeps_them() -> None:
    assert tokens("To be or not to be") == ("to", "be", "or", "not", "to", "be")
    assert tokens("don't") == ("dont",)


@pytest.mark.parametrize("nothing", ["", "   ", "...?!", "🙂", "—"])
def test_a_text_without_letters_or_digits_has_no_tokens(nothing: str) -> None:
    assert tokens(nothing) == ()
    assert query_tokens(nothing) == ()


def test_possessives_and_contractions_leave_the_word() -> None:
    assert tokens("Caroline's") == tokens("Caroline’s") == tokens("caroline")
    assert tokens("The kids' hobbies weren't cheap") == ("kid", "hobbi", "cheap")
    assert tokens("O'Brien") == ("obrien",)


def test_case_width_and_accents_do_not_matter() -> None:
    assert tokens("CAFÉ") == tokens("cafe\u0301") == tokens("ｃａｆｅ")


def test_numbers_dates_and_ordinals_meet_in_one_form() -> None:
    assert tokens("2023-05-08") == ("2023", "5", "8")
    assert tokens("8th") == tokens("8") == tokens("08")
    assert tokens("$1,000") == tokens("1000")
    assert tokens("1,2") == ("1", "2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("went", "going"),
        ("bought", "buys"),
        ("children", "child"),
        ("theatres", "theater"),
        ("my favourite colours", "favorite color"),
        ("three", "3"),
        ("mum", "moms"),
    ],
)
def test_irregular_forms_british_spellings_and_number_words_meet(one: str, other: str) -> None:
    assert tokens(one) == tokens(other)


def test_a_hyphened_word_stands_apart_and_together() -> None:
    assert tokens("self-care today") == ("self", "care", "selfcar", "today")
    assert set(tokens("ZX‐81")) >= set(tokens("ZX81"))
    assert set(tokens("e-mail")) >= set(tokens("email"))
    assert tokens("10-12") == ("10", "12")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("co\u00adoperate", "cooperate"),
        ("٣ ३ ๓ ３", "3 3 3 3"),
        ("أَحْمَـــد", "احمد"),
        ("کتاب", "كتاب"),
        ("ज़रूर हिन्दी माँ", "जरूर हिंदी मां"),
        ("ЁЛКА", "елка"),
        ("Diyarbakır", "DIYARBAKIR"),
        ("İzmir'den", "izmir"),
        ("Łódź Søren Đà œuvre Æsop", "Lodz Soren Da oeuvre Aesop"),
        ("résumés", "resumes"),
        ("ﾌﾟﾘﾝﾀｰ", "プリンター"),
    ],
)
def test_one_word_has_one_spelling(one: str, other: str) -> None:
    assert tokens(one) == tokens(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Müller", "Mueller"), ("Grüßner", "Gruessner"), ("Jörg", "Joerg")]
)
def test_a_query_bridges_umlauts_typed_as_two_letters(one: str, other: str) -> None:
    assert set(tokens(one)) <= set(query_tokens(other))
    assert set(tokens(other)) <= set(query_tokens(one))


def test_accents_left_out_in_a_suffix_do_not_change_the_stem() -> None:
    assert tokens("habitacion", language="es") == tokens("habitaciones", language="es")
    assert tokens("informacoes", language="pt") == tokens("informação", language="pt")


def test_latin_words_in_another_script_are_stemmed_as_english() -> None:
    assert "databas" in tokens("我的项目用 Databases 存数据")
    assert {"run", "shoe"} <= set(tokens("Я люблю running shoes и кофе по утрам"))


def test_grammar_between_characters_is_left_out_unless_it_is_all() -> None:
    assert "です" not in tokens("寿司です")
    assert tokens("です") == ("です",)
    assert "什么" not in tokens("什么猫")


@pytest.mark.parametrize("piece", ["y", "a-", "\u0301\u0327", "a\u064e", "a'", "1,000", ". ", "ü", "漢"])
def test_a_long_text_of_one_piece_takes_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.perf_counter()
    tokens(text), query_tokens(text), normalised(text)
    assert time.perf_counter() - started < 5


def test_names_of_techniques_survive() -> None:
    assert tokens("C++ beats C# beats C") == ("c++", "beat", "c#", "beat", "c")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I moved to the city with my sister"),
        ("de", "Ich wohne jetzt in München und arbeite bei einer Bank"),
        ("es", "¿Dónde trabaja Ana ahora?"),
        ("fr", "J'habite à l'école de Québec"),
        ("it", "Vivo a Roma e lavoro in una banca"),
        ("pt", "Eu moro em São Paulo com minha irmã"),
        ("nl", "Ik woon in Amsterdam en werk bij een bank"),
        ("sv", "Jag bor i Stockholm och arbetar på en bank"),
        ("ru", "Я переехал в Москву"),
        ("ar", "أنا أعيش في القاهرة"),
        ("hi", "मैं दिल्ली में रहता हूँ"),
        ("zh", "我养了一只猫"),
        ("ja", "東京タワーに行きました"),
        ("ko", "저는 서울에 살고 있어요"),
        ("th", "ฉันชอบกินข้าว"),
        ("el", "Μένω στην Αθήνα"),
        ("he", "אני גר בתל אביב"),
    ],
)
def test_languages_are_told_apart(language: str, text: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize("text", ["War movies", "Die Hard", "La La Land", "Catch ya later!", "pytest 9", ""])
def test_names_and_scraps_count_as_english(text: str) -> None:
    assert detect_language(text) == "en"


@pytest.mark.parametrize(
    ("document", "query"),
    [
        ("I adopted two cats from the shelter", "cat adoption"),
        ("Ich habe zwei Katzen aus dem Tierheim", "Hast du eine Katze?"),
        ("Ich habe zwei Häuser in den Bergen", "Häuser"),
        ("Trabajo en Madrid como enfermera", "trabajos"),
        ("Estudié en dos universidades de Chile", "¿En qué universidad?"),
        ("Mes enfants aiment les montagnes", "montagne"),
        ("Lavoro in una banca di Torino", "le banche a Torino"),
        ("As informações estão com a minha irmã", "qual informação?"),
        ("Mijn katten slapen in de tuin", "tuinen"),
        ("Я купил новую машину вчера", "какая машина"),
        ("المكتبات في المدينة كبيرة", "المكتبة"),
        ("मुझे किताबें बहुत पसंद हैं", "किताब"),
        ("我养了一只猫，名字叫咪咪", "猫"),
        ("我住在北京市", "北京"),
        ("昨日東京タワーに行きました", "東京"),
        ("저는 서울에 살고 있어요", "서울"),
        ("ฉันชอบกินข้าวผัดที่เชียงใหม่", "เชียงใหม่"),
        ("I love 寿司 more than ramen", "寿司"),
    ],
)
def test_a_query_meets_the_document_about_it(document: str, query: str) -> None:
    assert set(tokens(document)) & set(query_tokens(query))


def test_a_query_holds_its_own_tokens_first_and_each_word_once() -> None:
    query = "¿Dónde trabaja Ana? ¿Trabaja en las universidades?"
    found = query_tokens(query)
    assert found[:3] == ("trabaj", "ana", "univers")
    assert len(set(found)) == len(found)


def test_scripts_without_spaces_give_bigrams_and_lone_characters_stay() -> None:
    assert tokens("東京タワー")[:4] == ("東京", "京タ", "タワ", "ワー")
    assert tokens("한") == ("한",)
    assert tokens("한국말") == ("한국", "국말")


def test_a_language_can_be_named() -> None:
    assert tokens("trabajos", language="es") == ("trabaj",)
    assert tokens("trabajos", language="xx") == ("trabajos",)


def test_normalised_texts_are_equal_when_a_reader_would_call_them_the_same() -> None:
    assert normalised("  “Hello,\n  World!” ") == normalised("hello, world")
    assert normalised("C++") != normalised("C")
    assert normalised("Version 2") != normalised("Version 3")
    assert normalised("I don’t know.") == normalised("i don't know")
    assert normalised("!?") == "!?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I like tea. I hate coffee!", ["I like tea.", "I hate coffee!"]),
        ("Dr. Smith paid 3.5 million. Really?", ["Dr. Smith paid 3.5 million.", "Really?"]),
        ("We met at 5 p.m. and left. J. K. came.", ["We met at 5 p.m. and left.", "J. K. came."]),
        ("I said no. Then it was 5 p.m. We left.", ["I said no.", "Then it was 5 p.m.", "We left."]),
        ("Use tools, e.g. Git, etc. and so on.", ["Use tools, e.g. Git, etc. and so on."]),
        ("Well... maybe. Ok", ["Well... maybe.", "Ok"]),
        ('She said "Go." Then she left.', ['She said "Go."', "Then she left."]),
        ("- one\n* two\n1. three\n2) four", ["one", "two", "three", "four"]),
        ("## Summary\n\nMoved to Rome", ["Summary", "Moved to Rome"]),
        ("我很好。你呢？好！", ["我很好。", "你呢？", "好！"]),
        ("मैं ठीक हूँ। तुम कैसे हो?", ["मैं ठीक हूँ।", "तुम कैसे हो?"]),
        ("see https://example.org/a.b?c=d now", ["see https://example.org/a.b?c=d now"]),
        ("...\n!!!", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected
