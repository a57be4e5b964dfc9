//! What secrets look like: a pattern for each kind, in the order of the alphabet.
//!
//! The kinds are those of gitleaks' kept list of rules that have a form of their own, as of its version 8.28, and some of
//! services that are newer: <https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml>. The patterns are
//! written from the facts alone, which are prefixes, lengths and alphabets. A kind that only the words around it tell from
//! other text is found by its name instead: see `name.rs`.
//!
//! Long lengths are not counted exactly: a count costs a state for each of its characters, and a text that is longer than
//! its kind is as much a secret.

/// A kind of secret. If the pattern has a group, the secret is what the group matches, and else all of it.
pub struct Kind {
    /// What it is.
    pub name: &'static str,
    /// Every text with such a secret has one of these in it, in any case of letters. So hardly any pattern is ever compiled
    /// and searched for. None means that there is no such text.
    pub marks: &'static [&'static str],
    pub pattern: &'static str,
}

const fn kind(name: &'static str, marks: &'static [&'static str], pattern: &'static str) -> Kind {
    Kind { name, marks, pattern }
}

/// `(?-u:\b)` is a word boundary in ASCII, which text that isn't ASCII does not slow down. It stands before a prefix that
/// might end a longer word.
pub const KINDS: &[Kind] = &[
    kind("1Password service account", &["ops_ey"], r"(?-u:\b)ops_ey[A-Za-z0-9+/_-]{40,}={0,3}"),
    kind("age key", &["AGE-SECRET-KEY-1"], r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    kind("Airtable token", &["pat"], r"(?-u:\b)pat[A-Za-z0-9]{14}\.[a-f0-9]{40,}"),
    kind("Alibaba access key", &["LTAI"], r"(?-u:\b)LTAI[A-Za-z0-9]{20}(?-u:\b)"),
    kind("Atlassian token", &["ATATT", "ATCTT", "ATBB"], r"(?-u:\b)AT(?:ATT|CTT|BB)3?[A-Za-z0-9_=-]{28,}"),
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    kind(
        "AWS access key id",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        r"(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?-u:\b)",
    ),
    kind(
        "AWS Bedrock key",
        &["ABSK", "bedrock-api-key-"],
        r"(?-u:\b)(?:ABSK[A-Za-z0-9+/]{60,}={0,2}|bedrock-api-key-[A-Za-z0-9+/=]{20,})",
    ),
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html
    kind("AWS session token", &["IQoJ", "FwoG", "FQoG"], r"(?:IQoJ|FwoG|FQoG)[A-Za-z0-9/+=]{60,}"),
    kind(
        "AWS signature",
        &["X-Amz-"],
        r"(?i-u:X-Amz-(?:Signature|Security-Token|Credential)=)([A-Za-z0-9%/+=._~-]+)",
    ),
    kind("AWS signature in a header", &["Signature="], r"(?i-u:Signature=)([0-9a-f]{64})"),
    kind("Azure AD client secret", &["Q~"], r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}"),
    kind("Azure account key", &["Key="], r"(?i-u:(?:Account|SharedAccess)Key=)([A-Za-z0-9+/]{40,}={0,2})"),
    kind("Azure shared access signature", &["sig="], r"(?i-u:[?&]sig=)([A-Za-z0-9%+/=]{40,})"),
    kind("Beamer key", &["b_"], r"(?-u:\b)b_[A-Za-z0-9=_-]{44}(?-u:\b)"),
    kind("Buildkite token", &["bkua_", "bkca_", "bkpa_"], r"(?-u:\b)bk[ucp]a_[a-f0-9]{40}"),
    kind("CircleCI token", &["CCIP"], r"(?-u:\b)CCI(?:PAT|PRJ)_[A-Za-z0-9]{20,}_[a-f0-9]{40}"),
    kind("Clojars token", &["CLOJARS_"], r"CLOJARS_[a-z0-9]{60}"),
    kind("Cloudflare origin CA key", &["v1.0-"], r"(?-u:\b)v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}"),
    kind(
        "credentials in a header",
        &["authorization"],
        r#"(?i-u:authorization["'\\]*\s*[:=]\s*["'\\]*(?:basic|bearer|token)\s+)([^\s"'`<>\\,;)]+)"#,
    ),
    kind("bearer token", &["bearer"], r"(?i-u:(?-u:\b)bearer\s+)([A-Za-z0-9._~+/=-]{16,})"),
    kind("credentials in a URL", &["://"], r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:([^\s/]+)@"),
    kind("Databento key", &["db-"], r"(?-u:\b)db-[A-Za-z0-9]{29}(?-u:\b)"),
    kind("Databricks token", &["dapi"], r"(?-u:\b)dapi[a-f0-9]{32}(?:-[0-9])?"),
    kind("DigitalOcean token", &["_v1_"], r"(?-u:\b)do[opr]_v1_[a-f0-9]{64}"),
    kind("Discord token", &[], r"(?-u:\b)[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"),
    kind(
        "Discord webhook",
        &["/api/webhooks/"],
        r"discord(?:app)?\.com/api/webhooks/[0-9]+/([A-Za-z0-9_-]{60,})",
    ),
    kind("Docker Hub token", &["dckr_"], r"(?-u:\b)dckr_[a-z]+_[A-Za-z0-9_-]{27,}"),
    kind("Doppler token", &["dp."], r"(?-u:\b)dp\.(?:audit|ct|pt|sa|scim|st)\.[A-Za-z0-9._-]{40,}"),
    kind("Dropbox token", &["sl."], r"(?-u:\b)sl\.[A-Za-z0-9_=-]{60,}"),
    kind("Duffel token", &["duffel_"], r"(?-u:\b)duffel_(?:live|test)_[A-Za-z0-9_=-]{40,}"),
    kind("Dynatrace token", &["dt0"], r"(?-u:\b)dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{50,}"),
    kind("EasyPost key", &["EZAK", "EZTK"], r"(?-u:\b)EZ[AT]K[A-Za-z0-9]{54}"),
    kind("Facebook token", &["EAA"], r"(?-u:\b)EAA[MC][A-Za-z0-9]{60,}"),
    kind("Figma token", &["figd_", "figu_", "figo_"], r"(?-u:\b)fig[duo]_[A-Za-z0-9_-]{36,}"),
    kind("Flutterwave key", &["FLWSECK"], r"FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}"),
    kind(
        "Fly.io token",
        &["FlyV1", "fo1_", "fm1", "fm2"],
        r"(?-u:\b)(?:FlyV1\s|fo1_|fm[12][ar]?_)[A-Za-z0-9+/=_-]{40,}",
    ),
    kind("Frame.io token", &["fio-u-"], r"(?-u:\b)fio-u-[A-Za-z0-9_=-]{50,}"),
    kind(
        "GitHub token",
        &["gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        r"(?-u:\b)(?:gh[opusr]_|github_pat_)[A-Za-z0-9_]{16,}",
    ),
    kind(
        "GitLab token",
        &[
            "glpat",
            "gldt",
            "glft",
            "glrt",
            "glrtr",
            "glimt",
            "glagent",
            "gloas",
            "glsoat",
            "glptt",
            "glcbt",
            "glffct",
            "glpipt",
            "GR1348941",
        ],
        r"(?-u:\b)(?:gl(?:pat|dt|ft|rt|rtr|imt|agent|oas|soat|ptt|cbt|ffct|pipt)|GR1348941)-?[A-Za-z0-9_.=-]{20,}",
    ),
    kind("Google key", &["AIza"], r"(?-u:\b)AIza[A-Za-z0-9_-]{35}"),
    kind(
        "Google OAuth",
        &["GOCSPX-", "ya29."],
        r"(?-u:\b)(?:GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20,})",
    ),
    kind(
        "Grafana token",
        &["glsa_", "glc_"],
        r"(?-u:\b)(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/=]{32,})",
    ),
    kind("Groq key", &["gsk_"], r"(?-u:\b)gsk_[A-Za-z0-9]{40,}"),
    kind(
        "Harness token",
        &["pat.", "sat."],
        r"(?-u:\b)(?:pat|sat)\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}",
    ),
    kind("Heroku key", &["HRKU-"], r"(?-u:\b)HRKU-[A-Za-z0-9_-]{36,}"),
    kind("Hugging Face token", &["hf_", "api_org_"], r"(?-u:\b)(?:hf|api_org)_[A-Za-z0-9]{16,}"),
    kind("Infracost key", &["ico-"], r"(?-u:\b)ico-[A-Za-z0-9]{32}(?-u:\b)"),
    kind("JFrog token", &["AKCp", "cmVmdGtu"], r"(?-u:\b)(?:AKCp[A-Za-z0-9]{60,}|cmVmdGtu[A-Za-z0-9]{50,})"),
    kind(
        "JSON Web Token",
        &[".ey"],
        r"(?-u:\b)ey[A-Za-z0-9_-]{14,}\.ey[A-Za-z0-9_-]{14,}(?:\.[A-Za-z0-9_-]*){0,3}",
    ),
    kind("LangSmith key", &["lsv2_"], r"(?-u:\b)lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    kind("Linear key", &["lin_"], r"(?-u:\b)lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    kind("Mailchimp key", &["-us"], r"(?-u:\b)[a-f0-9]{32}-us[0-9]{1,2}(?-u:\b)"),
    kind("Mailgun key", &["key-"], r"(?-u:\b)(?:pub)?key-[a-f0-9]{32}(?-u:\b)"),
    kind(
        "Microsoft Teams webhook",
        &["webhookb2"],
        r"\.webhook\.office\.com/webhookb2/([A-Za-z0-9@/-]{60,})",
    ),
    kind("Netlify token", &["nfc_", "nfp_", "nfo_", "nfu_"], r"(?-u:\b)nf[cpou]_[A-Za-z0-9]{36}"),
    kind(
        "New Relic key",
        &["NRAK-", "NRAL-", "NRRA-", "NRII-", "NRJS-", "NRSP-"],
        r"(?-u:\b)NR(?:AK|AL|RA|II|JS|SP)-[A-Za-z0-9_-]{19,}",
    ),
    kind(
        "Notion token",
        &["ntn_", "secret_"],
        r"(?-u:\b)(?:ntn_[0-9]{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43})",
    ),
    kind("npm token", &["npm_"], r"(?-u:\b)npm_[A-Za-z0-9]{30,}"),
    kind("NuGet key", &["oy2"], r"(?-u:\b)oy2[a-z0-9]{43}(?-u:\b)"),
    kind(
        "OpenAI, Anthropic and like keys",
        &["sk-"],
        r"(?-u:\b)sk-(?:[A-Za-z0-9]{32,}|(?:admin|ant|api03|lf|or|proj|service|svcacct)[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20}T3BlbkFJ)[A-Za-z0-9_-]*",
    ),
    kind("OpenShift token", &["sha256~"], r"sha256~[A-Za-z0-9_-]{43}"),
    kind(
        "password hash",
        &["$"],
        r"\$(?:2[abxy]|5|6|7|y|argon2(?:id|i|d)|scrypt|pbkdf2-[a-z0-9]+)\$[A-Za-z0-9./$=+-]{12,}(?:,[A-Za-z0-9./$=+-]{12,})*",
    ),
    kind("Perplexity key", &["pplx-"], r"(?-u:\b)pplx-[A-Za-z0-9]{40,}"),
    kind(
        "Plaid token",
        &["access-"],
        r"(?-u:\b)access-(?:sandbox|development|production)-[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}",
    ),
    kind("PlanetScale token", &["pscale_"], r"(?-u:\b)pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_=.-]{30,}"),
    kind("Postman key", &["PMAK-"], r"(?-u:\b)PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    kind("Prefect token", &["pnu_", "pnb_"], r"(?-u:\b)pn[ub]_[A-Za-z0-9]{36}"),
    // To its end; of one that was cut off, all that follows. Its lines may be parted by `\n` in words.
    kind(
        "private key",
        &["-----BEGIN "],
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s,:\\-]*)",
    ),
    kind(
        "end of a private key",
        &["-----END "],
        r"(?:[A-Za-z0-9+/=]{16,}(?:\s|\\r|\\n)+)*[A-Za-z0-9+/=]*(?:\s|\\r|\\n)*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    ),
    kind("Pulumi token", &["pul-"], r"(?-u:\b)pul-[a-f0-9]{40}"),
    kind("PuTTY key", &["PuTTY-User-Key-File"], r"PuTTY-User-Key-File-[0-9]:[\s\S]*?Private-MAC: *[a-f0-9]+"),
    kind("PyPI token", &["pypi-"], r"(?-u:\b)pypi-[A-Za-z0-9_-]{36,}"),
    kind("ReadMe key", &["rdme_"], r"(?-u:\b)rdme_[a-z0-9]{70}"),
    kind("Replicate token", &["r8_"], r"(?-u:\b)r8_[A-Za-z0-9]{37}"),
    kind("RubyGems key", &["rubygems_"], r"(?-u:\b)rubygems_[a-f0-9]{48}"),
    kind("Scalingo token", &["tk-us-"], r"(?-u:\b)tk-us-[A-Za-z0-9_-]{48}"),
    kind("SendGrid key", &["SG."], r"(?-u:\b)SG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,}"),
    kind(
        "Sendinblue key",
        &["xkeysib-", "xsmtpsib-"],
        r"(?-u:\b)x(?:keysib|smtpsib)-[a-f0-9]{64}-[A-Za-z0-9]{16}",
    ),
    kind(
        "Sentry token",
        &["sntrys_", "sntryu_"],
        r"(?-u:\b)(?:sntrys_ey[A-Za-z0-9+/=_-]{40,}|sntryu_[a-f0-9]{64})",
    ),
    kind("Shippo token", &["shippo_"], r"(?-u:\b)shippo_(?:live|test)_[a-f0-9]{40}"),
    kind(
        "Shopify token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        r"(?-u:\b)shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    ),
    kind("Slack token", &["xox", "xapp-"], r"(?-u:\b)x(?:ox[a-z]|app)-[A-Za-z0-9-]{10,}"),
    kind(
        "Slack webhook",
        &["hooks.slack.com"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{20,})",
    ),
    kind("SonarQube token", &["squ_", "sqp_", "sqa_"], r"(?-u:\b)sq[upa]_[a-f0-9]{40}"),
    kind(
        "Square token",
        &["sq0", "EAAA"],
        r"(?-u:\b)(?:sq0[a-z]{3}-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{56,})",
    ),
    kind(
        "Stripe key",
        &["sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_", "whsec_"],
        r"(?-u:\b)(?:[sr]k_(?:live|test|prod)|whsec)_[A-Za-z0-9+/=]{10,}",
    ),
    kind("Supabase token", &["sbp_", "sb_secret_"], r"(?-u:\b)sb(?:p|_secret)_[A-Za-z0-9_]{28,}"),
    kind("Telegram bot token", &[":AA"], r"(?-u:\b)[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    kind("Terraform Cloud token", &[".atlasv1."], r"(?-u:\b)[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9=_-]{50,}"),
    kind("Twilio key", &["SK"], r"(?-u:\b)SK[0-9a-f]{32}(?-u:\b)"),
    kind("Typeform token", &["tfp_"], r"(?-u:\b)tfp_[A-Za-z0-9_.=-]{40,}"),
    kind("Vault token", &["hvs.", "hvb.", "hvr."], r"(?-u:\b)hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    kind("xAI key", &["xai-"], r"(?-u:\b)xai-[A-Za-z0-9]{60,}"),
    kind(
        "Yandex token",
        &["AQVN", "t1."],
        r"(?-u:\b)(?:AQVN[A-Za-z0-9_-]{35,38}|t1\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]{86}={0,2})",
    ),
];
