"""English grammar the extractive agents read by: closed word classes, common verbs, kinds of value.

General language only: nothing here comes from a data set.
"""

from __future__ import annotations


def wordset(words: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(words.split())


PRONOUNS = wordset(
    "i you he she it we they this that these those there who which what one everyone someone nobody"
)
VAGUE = wordset(
    "he she it they this that these those there him her them which who one someone everyone nobody"
)
OWN = wordset("i me my mine myself user")
DETERMINERS = wordset(
    "the a an my your his her its our their this that these those some any every each no another both all"
)
PREPOSITIONS = wordset(
    "in at on to into for from with by as of about near over under through during until since after before "
    "between behind beside above below against without within inside outside around "
    "across toward towards onto via per instead than"
)
BE = wordset("am is are was were be been being")
HAVE = wordset("have has had having")
DO = wordset("do does did")
MODALS = wordset("will would can could may might shall should must")
NEGATIONS = wordset("not never hardly cannot")
ADVERBS = wordset(
    "now currently still also just already always often usually sometimes recently lately really actually "
    "finally then too again currently mostly mainly even rarely generally typically definitely simply only "
    "basically permanently temporarily officially originally previously instead anymore nowadays so quite "
    "very"
)
ADDITIVE = wordset("also too another additionally both besides second third extra well")
PAST_MARKS = wordset("was were did had")

_VERBS = """
live reside dwell stay settle move relocate migrate switch change convert transition swap replace trade
work join
employ hire start begin quit stop leave resign retire promote become turn get got study attend enroll
graduate learn
teach train use prefer like love enjoy adore dislike hate detest want need require play practise practice
run jog
swim cycle ride walk hike climb drive commute take make cook bake eat drink smoke wear buy sell own keep
have hold
pay subscribe cancel drop ditch abandon end finish finalise complete pick choose select decide adopt deploy
build
write code read watch listen sing paint draw speak know understand remember think believe feel say tell
claim report
mention announce confirm state explain note ask guess joke hope wish plan intend consider dream imagine
suggest
recommend advise marry divorce date meet visit travel fly go come arrive return open close launch ship
release test
debug fix solve fail help support host store save sync track schedule reschedule postpone push delay bring
raise
lower increase decrease cut reduce extend upgrade downgrade rename call name base locate set put give grow
plant
sleep wake relax struggle suffer manage lead found create design develop maintain handle contain include
cost weigh
measure earn spend rent renovate collect volunteer coach perform record publish submit apply accept reject
rely
depend tend belong attend follow share send receive show find lose win break hurt try miss avoid skip care
worry fear
see look seem sound serve order book sign register renew expire last bike prepare organise organize invest
trust
contribute compile respond speed skate ski surf dance sew knit garden fish hunt foster babysit tutor mentor
borrow transfer unsubscribe schedule lend owe donate celebrate appreciate value admire respect support rate
review happen occur stand sit lie
"""
_IRREGULAR = """
be was been|become became become|begin began begun|break broke broken|bring brought brought|build built built|
buy bought bought|choose chose chosen|come came come|cut cut cut|draw drew drawn|drink drank drunk|
drive drove driven|eat ate eaten|feel felt felt|find found found|fly flew flown|get got gotten|give gave
given|
go went gone|grow grew grown|have had had|hold held held|hurt hurt hurt|keep kept kept|know knew known|
lead led led|leave left left|lend lent lent|lie lay lain|lose lost lost|make made made|meet met met|pay
paid paid|
put put put|quit quit quit|read read read|ride rode ridden|run ran run|say said said|see saw seen|sell sold
sold|
send sent sent|set set set|show showed shown|sing sang sung|sit sat sat|sleep slept slept|speak spoke spoken|
spend spent spent|stand stood stood|swim swam swum|take took taken|teach taught taught|tell told told|
think thought thought|understand understood understood|wake woke woken|wear wore worn|win won won|
write wrote written|cost cost cost|do did done|hide hid hidden|shake shook shaken|steal stole stolen|
throw threw thrown|swear swore sworn|bite bit bitten|blow blew blown|freeze froze frozen|rise rose risen|
shrink shrank shrunk|sink sank sunk|tear tore torn|catch caught caught|deal dealt dealt|dig dug dug|
feed fed fed|fight fought fought|forget forgot forgotten|forgive forgave forgiven|hang hung hung|
hear heard heard|mean meant meant|ring rang rung|shoot shot shot|stick stuck stuck|strike struck struck|
sweep swept swept|bend bent bent|rebuild rebuilt rebuilt|rewrite rewrote rewritten
"""


def third_person(verb: str) -> str:
    """The present form after he, she or a name: ``go`` -> ``goes``."""
    if verb in ("have", "be", "do"):
        return {"have": "has", "be": "is", "do": "does"}[verb]
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def _doubles(verb: str) -> bool:
    short = (
        len(verb) <= 4 and verb[-1] not in "aeiouwxyrhkl" and verb[-2] in "aeiou" and verb[-3] not in "aeiou"
    )
    return short or verb in ("cancel", "travel", "jog", "prefer", "submit", "commit", "refer", "label")


def _regular(verb: str) -> tuple[str, str]:
    """Past and -ing form by the rules of spelling."""
    if verb.endswith("ie"):
        return verb + "d", verb[:-2] + "ying"
    if verb.endswith("e"):
        return verb + "d", (verb if verb.endswith("ee") else verb[:-1]) + "ing"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied", verb + "ing"
    stem = verb + verb[-1] if _doubles(verb) else verb
    return stem + "ed", stem + "ing"


BASE, THIRD, PAST, PARTICIPLE, GERUND = "base", "third", "past", "participle", "ing"
VERB_FORMS: dict[str, tuple[str, str]] = {}
"""Inflected form -> (lemma, form); the present form wins where two agree."""


def _inflect() -> None:
    irregular = {
        parts[0]: parts
        for parts in (line.split() for line in _IRREGULAR.replace("\n", " ").split("|"))
        if parts
    }
    for verb in dict.fromkeys([*_VERBS.split(), *irregular]):
        if verb in ("be", "got"):
            continue
        past, gerund = _regular(verb)
        extra = {"travel": "travel", "cancel": "cancel"}.get(verb)
        past, participle = irregular[verb][1:] if verb in irregular else (past, past)
        if verb in ("run", "get", "cut", "put", "set", "quit", "swim", "win", "sit", "begin"):
            gerund = verb + verb[-1] + "ing"
        VERB_FORMS.setdefault(gerund, (verb, GERUND))
        VERB_FORMS.setdefault(participle, (verb, PARTICIPLE))
        VERB_FORMS[past] = (verb, PAST)
        if extra:
            VERB_FORMS[extra + "ed"], VERB_FORMS[extra + "ing"] = (verb, PAST), (verb, GERUND)
    for verb in dict.fromkeys([*_VERBS.split(), *irregular]):
        if verb in ("be", "got"):
            continue
        VERB_FORMS[third_person(verb)] = (verb, THIRD)
        if VERB_FORMS.get(verb, ("", ""))[1] not in (PAST,) or verb in ("read", "put", "cut", "set", "cost"):
            VERB_FORMS[verb] = (verb, BASE)
    for past in ("quit", "left", "found"):
        VERB_FORMS[past] = ({"quit": "quit", "left": "leave", "found": "find"}[past], PAST)


_inflect()

SAME_VERB = {
    "practice": "practise", "organize": "organise", "adore": "like", "love": "like", "enjoy": "like",
    "hate": "dislike", "detest": "dislike", "own": "have", "reside": "live", "dwell": "live",
    "relocate": "move",
    "get": "have", "buy": "have", "adopt": "have", "jog": "run", "bike": "cycle",
}  # fmt: skip
"""Verbs that state the same relation."""

ENDING = wordset("stop quit cancel drop ditch abandon end sell leave resign retire lose")
"""Verbs whose object or action is over."""
CHANGING = wordset(
    "move switch change migrate convert transition relocate upgrade downgrade reschedule postpone push "
    "delay bring "
    "raise lower increase decrease cut reduce extend rename replace swap trade set shift bump promote "
    "transfer go rise fall climb jump grow shrink"
)
MEASURING = wordset("rise fall climb jump grow shrink")
"""Verbs of change when they lead to a number, of movement otherwise."""
MANY = wordset(
    "like dislike play speak read eat drink watch visit know have see go meet buy learn teach love enjoy "
    "want need "
    "make take write cook bake wear help try find support collect attend follow share include contain keep "
    "see "
    "understand remember recommend listen sing order grow"
)
"""Relations that hold of many values at once: another value alone contradicts nothing."""
LASTING = wordset("like dislike know speak visit teach meet read see recommend come remember understand")
"""Relations that a switch away from their value does not end."""
PLANNING = wordset(
    "want plan intend hope wish consider dream think imagine need try suggest recommend wonder love"
)
SAYING = wordset(
    "say tell claim report mention announce confirm state explain note ask guess joke think believe "
    "suggest hear sing"
)
HONEST = wordset("say tell report mention announce confirm state explain note")
"""Verbs of saying that commit a speaker who speaks of himself."""

PERSONAL = SAYING | wordset(
    "give lend owe show send meet marry date visit help teach invite call see know hear join leave hire "
    "introduce thank bring follow support"
)
"""Verbs whose object may be a person."""

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBERS = (
    {word: str(value) for value, word in enumerate(_UNITS)}
    | {tens: str(20 + 10 * i) for i, tens in enumerate(_TENS)}
    | {f"{tens}-{_UNITS[n]}": str(20 + 10 * i + n) for i, tens in enumerate(_TENS) for n in range(1, 10)}
    | {"hundred": "100", "thousand": "1000", "once": "1", "twice": "2"}
)

KINDS: dict[str, str] = {
    word: kind
    for kind, words in {
        "colour": "red blue green yellow orange purple pink black white grey gray brown teal violet indigo "
        "turquoise beige maroon navy magenta cyan gold silver lavender crimson",
        "weekday": "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays "
        "thursdays fridays saturdays sundays",
        "month": "january february march april may june july august september october november december",
        "diet": "vegetarian vegan pescatarian omnivore carnivore flexitarian keto",
        "marital": "single married engaged divorced widowed separated",
        "daypart": "morning mornings evening evenings afternoon afternoons night nights",
        "state": "enabled disabled open closed active inactive online offline available unavailable paused "
        "running public private free paid locked unlocked",
        "tongue": "english german french spanish italian portuguese dutch swedish danish norwegian finnish "
        "russian polish czech greek turkish arabic hebrew hindi japanese chinese mandarin korean vietnamese "
        "thai ukrainian",
        "code": "python java javascript typescript rust go golang kotlin swift ruby php scala haskell elixir "
        "c++ c# perl julia matlab",
        "editor": "vim neovim emacs nano vscode pycharm intellij sublime atom webstorm zed",
        "database": "mysql postgresql postgres sqlite mongodb mariadb oracle redis cassandra dynamodb duckdb",
        "system": "linux windows macos ubuntu debian fedora arch android ios",
        "drink": "tea coffee espresso matcha cocoa juice beer wine water",
        "land": "europe asia africa america usa uk england scotland wales ireland britain germany france "
        "spain portugal italy switzerland austria belgium netherlands denmark norway sweden finland iceland "
        "poland czechia hungary romania bulgaria greece turkey russia ukraine canada mexico brazil argentina "
        "chile peru colombia australia china japan korea india pakistan thailand vietnam indonesia "
        "philippines egypt morocco nigeria kenya ghana israel iran scandinavia",
        "browser": "chrome firefox safari edge brave opera",
    }.items()
    for word in words.split()
}
KINDS["first"] = "ordinal"
OCCUPATIONS = wordset(
    "nurse doctor teacher engineer developer programmer designer lawyer chef cook baker accountant analyst "
    "architect "
    "artist author barista carpenter chemist clerk coach consultant dentist director editor electrician "
    "farmer "
    "firefighter gardener guide journalist judge librarian manager mechanic midwife musician paramedic "
    "pharmacist "
    "photographer physicist pilot plumber professor psychologist radiologist receptionist researcher "
    "scientist "
    "secretary soldier student surgeon tailor technician therapist translator tutor veterinarian vet "
    "waiter waitress "
    "welder writer intern lecturer principal ceo cto founder freelancer biologist economist historian lead "
    "supervisor "
    "assistant apprentice banker broker butcher cashier courier driver florist hairdresser instructor "
    "nanny optician "
    "painter policeman politician postman realtor recruiter sculptor trainer undertaker counselor counsellor"
)
ATTRIBUTES = wordset(
    "favorite favourite preferred name surname nickname email address phone number birthday deadline "
    "budget password "
    "size age height weight salary diet major hometown editor language framework database plan timezone "
    "role title "
    "job profession home rent price limit date time version goal username colour color bedtime status rate "
    "frequency "
    "capacity duration distance port branch license colour priority"
)
"""Nouns that have one value at a time."""
TOPICLESS = wordset("new current next latest main present")
