"""What was handed to other systems: at most once, and the same thing."""

from monetization.config.verify.base import Books, Found, check, rows, violations


@check("I20.5", "What is in another system is there once, and is an issued invoice of ours")
def pushed_once(books: Books) -> Found:
    if not rows("SELECT to_regclass('integrations_push') IS NOT NULL")[0][0]:
        return Found(0, "pushes", notes=("nothing is connected",))
    return violations(
        """
        SELECT provider || ' ' || kind || ' ' || external_id || ' stands for ' || count(*)
               || ' of ours'
          FROM integrations_push WHERE external_id <> ''
         GROUP BY provider, kind, external_id HAVING count(*) > 1
        UNION ALL
        SELECT p.label || ' was handed to ' || p.provider || ', but is no issued invoice'
          FROM integrations_push p
         WHERE p.kind = 'invoice'
           AND NOT EXISTS (SELECT FROM billing_invoice i WHERE p.subject_ref = 'invoice/' || i.id
                              AND i.status IN ('issued', 'void') AND i.number = p.label)
        UNION ALL
        SELECT p.label || ' is in ' || p.provider || ' without an id or a time'
          FROM integrations_push p
         WHERE p.status = 'pushed' AND (p.external_id = '' OR p.pushed_at IS NULL)
        UNION ALL
        SELECT p.label || ' is ' || p.status || ' and no error says why'
          FROM integrations_push p
         WHERE p.status IN ('failed', 'refused') AND p.last_error = ''
        """,
        of="pushes",
        count="SELECT count(*) FROM integrations_push",
    )
