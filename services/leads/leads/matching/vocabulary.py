"""Words that say little about who is meant: legal forms of many countries, common trade words, kinds of street.

Written in folded Latin letters, as `text.words` gives them. A legal form is left out of a comparison, a trade word
counts for a quarter: `Acme Holding` and `Acme International` are likely one group, `Borealis Holding` is another.
"""


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Han endings come off the original text, before it is transliterated; the longest first.
HAN_FORMS = sorted(
    _listed("""
    股份有限责任公司 股份有限責任公司 有限责任公司 有限責任公司 股份有限公司 集团有限公司 集團有限公司 有限公司 有限合伙
    股份公司 株式会社 有限会社 合同会社 股份 集团 集團 公司
    """),
    key=lambda form: (-len(form), form),
)

LEGAL_FORMS = _listed("""
    gmbh mbh ag kg kgaa ohg ug gbr ev eg gmbhco gesmbh
    nv bv cv vof bvba sprl cvba naamloze naamlooze vennootschap besloten
    inc incorporated corp corporation co company ltd limited llc llp plc pllc cic
    sa sas sasu sarl sarlu eurl sci snc gie societe anonyme
    spa srl srls sapa sl slu sau sociedad anonima sadecv sdecv srldecv
    ltda limitada eireli epp lda unipessoal
    ab aktiebolag hb as asa ans aps oy oyj ehf hf
    zoo spzoo sp spj spk sro vos doo dd ad ead ood eood et kd sd kda
    ooo oao zao pao tov pat pjsc jsc ojsc cjsc
    kft zrt nyrt bt rt ik sia uab ou sti ltdsti sirketi
    pty pte sdn bhd pt tbk pvt kk gk yk kabushiki kaisha se
    """)

TRADE_WORDS = _listed("""
    academy and asociacion associates association brasil brazil bulgaria care center centre centro chemical
    chemicals china comercial comercio commercial community consultants consulting da das de del den der des
    deutschland di die digital do dos du e electric electronic electronics elektronik empresa en engineering
    enterprise enterprises et euro europa europe european export for foundation fur germany global group groupe
    grup grupa grupo gruppe gruppo handels health het holding holdings holland i import industria industrial
    industrie industries indystri institute internacional international internationale koninkl koninklijke la le
    les manufacturing media medical nacional national nederland netherlands of partners pharmaceutical
    pharmaceuticals portugal production productos products produkte produtos regional royal school schools service
    services servicios servicos sistemas software solutions system systems tech technologie technologies
    technology tecnologia tehnologii the trade trading und university van von world worldwide y zu
    """)

# Languages that write compounds as one word: `Gloeilampenfabrieken`, `Maschinenbau`, `Versicherungsgesellschaft`.
TRADE_ENDINGS = tuple(
    sorted(
        _listed("""
    fabriek fabrieken fabrik fabriken fabrikk werke werken bedrijf bedrijven maatschappij gesellschaft
    technik techniek teknik technologie industrie industri handel maschinenbau apparatebau
    bolag selskab stroy proekt invest
    """)
    )
)

# One spelling for the kinds and directions of streets. A kind is often left out, so it hardly counts.
STREET_WORDS = {
    spelled: kept
    for kept, spellings in (
        ("st", "street str strasse jie saint"),
        ("ul", "ulitsa ulica"),
        ("ave", "avenue av avenida"),
        ("blvd", "bulevard boulevard bul"),
        ("rd", "road lu"),
        ("ln", "lane"),
        ("dr", "drive"),
        ("ct", "court"),
        ("cres", "crescent"),
        ("cct", "circuit"),
        ("cl", "close calle"),
        ("pkwy", "parkway"),
        ("tce", "terrace"),
        ("hwy", "highway"),
        ("sq", "square"),
        ("r", "rua"),
        ("tv", "travessa"),
        ("pc", "praca"),
        ("pl", "ploshtad platz place"),
        ("way", "weg"),
        ("n", "north"),
        ("s", "south"),
        ("e", "east"),
        ("w", "west"),
        ("1", "first"),
        ("2", "second"),
        ("3", "third"),
        ("4", "fourth"),
        ("5", "fifth"),
        ("mt", "mount"),
    )
    for spelled in spellings.split()
}
STREET_KINDS = frozenset(STREET_WORDS.values()) - _listed("n s e w 1 2 3 4 5 mt")

# Anybody may have an address there: sharing the domain says nothing about the employer.
FREE_MAIL = _listed("""
    126.com 163.com abv.bg aliyun.com aol.com bol.com.br dir.bg foxmail.com gmail.com gmx.de gmx.net
    googlemail.com hotmail.com hotmail.com.br icloud.com ig.com.br live.com mail.bg mail.ru me.com msn.com
    outlook.com proton.me protonmail.com qq.com sapo.pt sina.com sohu.com t-online.de terra.com.br uol.com.br
    web.de yahoo.com yahoo.com.br yandex.ru yeah.net
    """)

# One person may be called any name of a line.
NICKNAMES = tuple(
    _listed(line)
    for line in """
    alexander alex sasha aleksandar sashko aleks
    alexandra sandra sasha alex
    andrew andy drew andrei
    anthony tony anton toni
    antonio toninho tony
    barbara barb
    benjamin ben
    catherine kate katie kathy cathy
    charles charlie chuck
    christopher chris
    christine chris christina tina
    daniel dan danny
    david dave
    deborah deb debbie
    dimitar mitko dimitri
    edward ed eddie ted
    elizabeth liz beth betty lisa
    emily em
    francisco chico paco
    georgi gosho george
    gregory greg
    ivan vanyo john
    james jim jimmy jamie
    jennifer jen jenny
    jessica jess
    john jack johnny
    jonathan jon
    jose ze pepe
    joseph joe joey
    joshua josh
    katherine kate katie kathy
    kenneth ken
    lawrence larry
    luiz lula luis
    margaret meg peggy maggie
    maria mimi
    matthew matt
    michael mike mick mihail misho
    nicholas nick nikolai kolyo nikolay
    nikola kolyo
    patricia pat patty trish
    patrick pat
    peter pete petar pesho
    richard rick dick rich
    robert rob bob bobby
    ronald ron
    samantha sam
    samuel sam
    stephen steve steven stefan
    stoyan stoyo
    susan sue
    thomas tom tommy
    timothy tim
    todor tosho theodore ted
    victoria vicky viki
    william bill will billy
    yordan dancho jordan
    zachary zach zac
    """.strip().splitlines()
)

TWO_SIGN_SURNAMES = _listed("欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 司徒 令狐 歐陽 司馬 諸葛 東方 尉遲 公孫")
