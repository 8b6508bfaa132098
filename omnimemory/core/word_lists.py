"""The words the analyser knows by heart: function words, and forms that no stemmer knows.

Function words carry grammar, not what is remembered. Written for memories: words that published
stop lists drop but people ask for ("work", "home", "new", "year", "first", the month "May") are
not here. Part of the analyser's fingerprint.
"""

# ruff: noqa: RUF001  (other alphabets are the content)

from __future__ import annotations

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": """
            a an and are as at be been being but by for from had has have having he her hers him his i if in
            into is it its itself me my myself of on or our ours ourselves out over she so some such than
            that the their theirs them themselves then there these they this those to too under until up us
            very was we were what when where which while who whom whose why how will with would you your
            yours yourself am do does did doing done can could should shall might must not no nor only own
            same more most other any all both each few about above after again against because before below
            between down during further off once through just now also im ive ill id dont doesnt didnt cant
            couldnt wont wouldnt isnt arent wasnt werent havent hasnt hadnt shouldnt thats whats youre
            theyre hes shes lets oh ok okay ya yeah yes hi hey hello wow really gonna wanna etc""",
        "de": """
            aber als am an auch auf aus bei beim bin bis bist da dann das dass dein deine deinem deinen
            deiner dem den denn der des dich die dies diese diesem diesen dieser dieses dir doch du durch
            ein eine einem einen einer eines er es euch euer eure für gegen hab habe haben habt hast hat
            hatte hatten hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist ja jede jedem jeden
            jeder jedes kann kein keine keinen könnte man mein meine meinem meinen meiner mich mir mit muss
            nach nicht noch nun nur ob oder ohne sehr sein seine seinem seinen seiner seit sich sie sind so
            soll um und uns unser unsere unter vom von vor wann war waren warum was weil welche welcher
            welches wenn wer werde werden wie wieder will wir wird wo wurde wurden würde zu zum zur über""",
        "es": """
            a al algo alguna algunas alguno algunos ante aquel aquella aquellos así aún aunque como con
            contra cual cuales cuando cuándo cuál cómo de del desde donde dónde el él ella ellas ellos en
            entre era eran eres es esa esas ese eso esos esta estaba están estar estas este esto estos estoy
            está estás fue fueron ha había han has hasta hay he la las le les lo los me mi mis mí muy más ni
            no nos nosotros nuestra nuestro nuestros o os otra otro para pero por porque pues que qué quien
            quién se ser si sí sin sobre son soy su sus también tan te tengo ti tiene tienen tu tus tú un
            una unas uno unos usted ustedes y ya yo""",
        "fr": """
            a ai alors au aucun aussi autre aux avait avec avez avons c ce ceci cela ces cet cette ceux chez
            comme comment d dans de des donc dont du elle elles en est et eu être été étais était fait fut
            il ils j je l la le les leur leurs lui ma mais me mes moi mon même n ne ni nos notre nous on ont
            ou où par parce pas pendant peu plus pour pourquoi qu quand que quel quelle quelles quels qui
            quoi s sa sans se ses si son sont suis sur t ta te tes toi ton tous tout toute toutes très tu un
            une vers vos votre vous y à ça""",
        "it": """
            a abbiamo ad agli ai al alla alle allo anche ancora avere aveva c che chi ci come con contro
            cosa così cui da dagli dai dal dalla dalle degli dei del dell della delle dello di dopo dove e
            ed era erano essere fa fra gli ha hai hanno ho i il in io l la le lei li lo loro lui ma me mi
            mia mie miei mio molto ne negli nei nel nella nelle no noi non nostra nostro o ogni per perché
            però più poi qual quale quali quando quanto quella quelle quelli quello questa queste questi
            questo qui se sei sempre senza si sia siamo sono sta stata stato su sua sue sugli sui sul sulla
            suo suoi te ti tra tu tua tuo tuoi tutti tutto un una uno vi voi è""",
        "pt": """
            a ao aos aquela aquele aquilo as até com como da das de dela dele deles depois do dos e ela elas
            ele eles em entre era eram essa esse esta estamos estava estou está estão este eu foi foram há
            isso isto já lhe mais mas me mesmo meu meus minha minhas muito na nas nem no nos nossa nosso num
            numa não nós o onde os ou para pela pelas pelo pelos por porque qual quando quanto que quem se
            sem ser seu seus sob sobre sou sua suas só são também te tem temos tenho ter teu teus tinha tua
            têm um uma uns você vocês à às é""",
        "nl": """
            aan al als altijd ben bent bij daar dan dat de deze die dit doch door dus een en er geen had heb
            hebben hebt heeft hem het hier hij hoe hun ik in is ja je jij jou jouw jullie kan kon kunnen
            maar me meer men met mij mijn moet na naar niet nog nu of om omdat ons onze ook op over te tegen
            toen tot u uit uw van veel voor waar waarom wanneer want waren was wat we wel welke werd wie wij
            wil worden wordt ze zei zich zij zijn zo zou""",
        "sv": """
            alla allt att av blev bli blir de dem den denna deras dess det detta dig din dina ditt du där då
            efter ej eller en er era ett från för ha hade han hans har henne hennes hon honom hur här i icke
            ingen inte jag ju kan kunde man med mellan men mig min mina mitt mot mycket måste ni nu när
            någon något några och om oss på samma sedan sig sin sina sitt själv ska skulle som så till under
            upp ut utan vad var vara varför varit vart vem vi vid vilka vilken vilket vill är än åt över""",
        "ru": """
            а без бы был была были было быть в вам вас ваш во вот все всё всего всех всю вы где да даже для
            до его ее её ей если есть еще ещё же за и из или им их к как какая какие какой когда кто ли меня
            мне мной может мои мой моя мы на над нас наш не него нее неё ней нет ни них но ну о об он она
            они оно от очень перед по под после потому почему при про с сам свой свою себя со так также там
            твой твоя тебе тебя то того тоже только том ты у уже чего чем что чтобы эта эти это этого этой
            этом этот я""",
        "ar": """
            في من على إلى الى عن مع هذا هذه ذلك تلك هو هي هم هن أنا انا أنت انت نحن كان كانت يكون ما ماذا
            متى أين اين كيف لماذا هل لا لم لن ليس و أو او ثم لكن بل قد إن ان أن كل بعض التي الذي الذين عند
            لدي لديه له لها لي لك به بها فيه فيها منه منها كما إذا اذا حتى بعد قبل أي اي يا""",
        "hi": """
            का के की को में से पर और है हैं था थी थे हूँ हूं हो होता होती होते ने यह ये वह वे इस उस इन उन
            मैं मेरा मेरी मेरे मुझे तुम आप आपका आपकी आपके हम हमारा वो तो भी ही कि जो क्या कब कहाँ कहां कैसे
            कौन क्यों नहीं न मत एक कर करता करती करते किया रहा रही रहे गया गई गए लिए साथ तक या अब जब तब बहुत
            कुछ अपना अपनी अपने उसका उसकी उसके इसका इसकी इसके उनका उनकी उनके उसे इसे उन्हें हुआ हुई हुए""",
    }.items()
}

HAN_FUNCTION_CHARACTERS = frozenset(
    "的了是我你您他她它们們吗嗎呢吧啊在有和与與也都就很不这這那个個么麼什之其得地着著过過"
)
"""Characters of Chinese grammar: alone they say nothing, so they get no unigram."""

_BIGRAMS = """
    です ます まし した ませ せん すか たか いま てい いる って ない なの から ので けど それ これ
    どこ いつ どう どん んな
    어요 아요 에요 예요 해요 세요 이에 니다 습니 합니 입니 니까 는데 에서 했어 었어 았어 에게 으로
    어디 누구 누가 언제 무엇 무슨 어떤 얼마
    什么 什麼 怎么 怎麼 我们 我們 你们 你們 他们 他們 这个 這個 那个 那個 是不 不是 是谁 是誰 的是 了吗 了嗎
"""

FUNCTION_BIGRAMS = frozenset(_BIGRAMS.split())
"""Pairs of characters that are Japanese, Korean or Chinese grammar; they get no bigram."""

_IRREGULAR_ENGLISH = """
    arise arose arisen | awake awoke awoken | beat beaten | become became | begin began begun | bend
    bent | bite bit bitten | bleed bled | blow blew blown | break broke broken | breed bred | bring
    brought | build built | burn burnt | buy bought | catch caught | choose chose chosen | cling
    clung | come came | creep crept | deal dealt | dig dug | draw drew drawn | dream dreamt | drink
    drank drunk | drive drove driven | eat ate eaten | fall fell fallen | feed fed | feel felt |
    fight fought | find found | flee fled | fly flew flown | forbid forbade forbidden | forget
    forgot forgotten | forgive forgave forgiven | freeze froze frozen | get got gotten | give gave
    given | go went gone | grow grew grown | hang hung | hear heard | hide hid hidden | hold held |
    keep kept | kneel knelt | know knew known | lead led | lean leant | leap leapt | learn learnt |
    leave left | lend lent | light lit | lose lost | make made | mean meant | meet met | mistake
    mistook mistaken | overcome overcame | pay paid | prove proven | ride rode ridden | ring rang
    rung | rise risen | run ran | say said | see saw seen | seek sought | sell sold | send sent |
    sew sewn | shake shook shaken | shine shone | shoot shot | show shown | shrink shrank shrunk |
    sing sang sung | sink sank sunk | sit sat | sleep slept | slide slid | smell smelt | speak spoke
    spoken | speed sped | spell spelt | spend spent | spill spilt | spin spun | spoil spoilt |
    spring sprang sprung | stand stood | steal stole stolen | stick stuck | sting stung | strike
    struck | strive strove | swear swore sworn | sweep swept | swell swollen | swim swam swum |
    swing swung | take took taken | teach taught | tear tore torn | tell told | think thought |
    throw threw thrown | understand understood | undertake undertook | undergo underwent | wake woke
    woken | wear wore worn | weave wove woven | weep wept | win won | withdraw withdrew withdrawn |
    write wrote written |
    child children | foot feet | tooth teeth | goose geese | mouse mice | man men | woman women |
    wife wives | knife knives | shelf shelves | wolf wolves | thief thieves | scarf scarves | half
    halves | loaf loaves | calf calves | grandchild grandchildren |
    center centre | theater theatre | liter litre | meter metre | fiber fibre | gray grey | jewelry
    jewellery | traveler traveller | traveling travelling | traveled travelled | counselor
    counsellor | counseling counselling | canceled cancelled | canceling cancelling | modeling
    modelling | mom mum | mommy mummy | pajamas pyjamas | program programme | defense defence |
    license licence | practice practise | catalog catalogue | dialog dialogue | plow plough | cozy
    cosy | aluminum aluminium | airplane aeroplane | donut doughnut | yogurt yoghurt | mustache
    moustache | enroll enrol | math maths | organize organise | organized organised | organizing
    organising | realize realise | realized realised | recognize recognise | recognized recognised |
    apologize apologise | apologized apologised |
    2 two | 3 three | 4 four | 5 five | 6 six | 7 seven | 8 eight | 9 nine | 10 ten | 11 eleven | 12
    twelve | 20 twenty | 30 thirty | 40 forty | 50 fifty | 60 sixty | 70 seventy | 80 eighty | 90
    ninety
"""

IRREGULAR_ENGLISH = {
    form: base for base, *forms in map(str.split, _IRREGULAR_ENGLISH.split("|")) for form in forms
}
"""Base forms by the forms that no stemmer reduces to them; British spellings; numbers in words.

Forms that are as often another word are left out: "rose", "lay", "lives", "wound", "one".
"""
