"""What files call the fields of a lead, in English, Chinese, Bulgarian and Portuguese."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from leads.domain.cells import READERS

KEY = "key"  # by which the other system knows the lead

# Each name as `plain` makes it; none means two fields.
NAMES: Mapping[str, str] = {
    "display_name": (
        "display name; name; full name; contact name; lead name; lead; contact; customer name; 姓名; "
        "名称; 客户姓名; 联系人; 联系人姓名; 客户名称; име и фамилия; име на клиента; лице за контакт; "
        "контакт; клиент; три имена; nome completo; nome do contato; nome do cliente; nome do contacto; "
        "contato; contacto; cliente; nome e sobrenome"
    ),
    "given_name": "first name; given name; firstname; forename; 名; 名字; име; собствено име; nome; primeiro nome",
    "family_name": (
        "last name; family name; lastname; surname; 姓; 姓氏; фамилия; фамилно име; sobrenome; apelido; ultimo nome"
    ),
    "company": (
        "company; company name; organization; organisation; account; account name; employer; business; "
        "公司; 公司名称; 企业; 企业名称; 单位; 单位名称; фирма; компания; организация; име на фирмата; "
        "дружество; empresa; companhia; nome da empresa; organizacao; razao social"
    ),
    "email": (
        "email; e mail; email address; mail; e mail address; work email; 邮箱; 电子邮件; 电子邮箱; 邮件; "
        "邮箱地址; имейл; е мейл; мейл; имейл адрес; електронна поща; поща; correio eletronico; "
        "endereco de email; e mail comercial"
    ),
    "phone": (
        "phone; phone number; telephone; mobile; mobile phone; cell; cell phone; tel; work phone; 电话; "
        "手机; 手机号; 手机号码; 电话号码; 联系电话; 移动电话; телефон; телефонен номер; мобилен; "
        "мобилен телефон; моб телефон; gsm; gsm номер; telefone; celular; telemovel; numero de telefone; "
        "fone"
    ),
    "channel": "channel; source channel; 渠道; 来源渠道; канал; canal",
    "landing_page": "landing page; 落地页; целева страница; pagina de destino",
    "note": (
        "note; notes; comment; comments; message; description; remarks; 备注; 留言; 说明; 描述; 需求; "
        "бележка; бележки; коментар; коментари; съобщение; описание; забележка; nota; notas; observacao; "
        "observacoes; comentario; comentarios; mensagem; descricao"
    ),
    "contact_time": (
        "contact time; created; created at; created on; create date; created date; date; date created; "
        "first contact; first contact date; 日期; 创建时间; 创建日期; 首次联系时间; 联系日期; дата; "
        "дата на създаване; създаден; създаден на; първи контакт; data; data de criacao; criado em; "
        "primeiro contato; primeiro contacto; data do contato"
    ),
    "country": "country code; 国家代码; код на държавата; codigo do pais",
    "region": (
        "region; state; province; city; town; 地区; 省份; 省; 城市; 区域; област; регион; град; "
        "населено място; regiao; estado; provincia; distrito; cidade"
    ),
    "language": "language code; 语言代码; код на езика; codigo do idioma",
    "product": "product; product code; product interest; 产品; 产品编号; 意向产品; продукт; produto",
    "company_size": (
        "company size; employees; number of employees; headcount; 员工人数; 公司规模; 人数; "
        "брой служители; служители; размер на фирмата; funcionarios; numero de funcionarios; "
        "tamanho da empresa; colaboradores"
    ),
    "label:source": "source; lead source; origin; 来源; 线索来源; източник; fonte; origem",
    "label:country": "country; 国家; държава; страна; pais",
    "label:job_title": "title; job title; position; role; 职位; 职务; длъжност; позиция; cargo; funcao",
    "label:industry": "industry; sector; 行业; отрасъл; сектор; industria; setor; ramo",
    "label:old_status": "status; lead status; stage; 状态; 线索状态; статус; етап; situacao; estagio; fase",
    "label:old_owner": (
        "owner; lead owner; salesperson; assigned to; 负责人; 销售; 销售代表; отговорник; търговец; "
        "собственик; responsavel; vendedor; proprietario"
    ),
    KEY: ("id; lead id; record id; external id; contact id; 编号; 客户编号; 序号; номер; ид; codigo; identificador"),
}


def plain(name: str) -> str:
    """A name without case, accents and signs, so that `E-Mail ` and `Observação:` are what they mean. Letters of other
    scripts keep theirs: й is not и."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    bare = "".join(
        unicodedata.normalize("NFKD", one)[0] if "LATIN" in unicodedata.name(one, "") else one for one in folded
    )
    return " ".join(re.findall(r"\w+", bare.replace("_", " ")))


def _fields() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for field, names in NAMES.items():
        for name in names.split(";"):
            found.setdefault(plain(name), field)
    return found


FIELDS = _fields()


def understood(columns: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """Column → field, for those that say what they are; `own`: slugs of the company's fields. Of several that may be
    the key the first is. A file with a family name has a given name where it says only `name`."""
    slugs = {plain(slug): f"custom.{slug}" for slug in own}
    found: dict[str, str] = {}
    for column in columns:
        said = plain(column.partition("custom.")[2] if column.startswith("custom.") else column)
        own_names = column in READERS or (column.startswith("label:") and column != "label:")
        field = column if own_names else FIELDS.get(said) or slugs.get(said)
        if field and not (field == KEY and KEY in found.values()):
            found[column] = field
    if "family_name" in found.values() and "given_name" not in found.values():
        found |= {column: "given_name" for column, field in found.items() if plain(column) in ("name", "nome", "име")}
    elif "family_name" not in found.values():
        found |= {
            column: "display_name"
            for column, field in found.items()
            if field == "given_name"
            and plain(column) in ("nome", "име", "名字")
            and "display_name" not in found.values()
        }
    return found
