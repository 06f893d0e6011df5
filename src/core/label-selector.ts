import { Problem } from './errors.ts'

export interface LabelRequirement { key: string, operator: 'in' | 'notIn' | 'exists' | 'notExists', values: string[] }

const name = '[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,314}[A-Za-z0-9])?'
const value = '(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?'
const equality = new RegExp(`^(${name})\\s*(==|=|!=)\\s*(${value})$`)
const membership = new RegExp(`^(${name})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const existence = new RegExp(`^(!?)\\s*(${name})$`)
const single = new RegExp(`^${value}$`)

/** Splits at the commas outside of parentheses. */
const termsOf = (selector: string) => selector.split(/,(?![^(]*\))/).map(term => term.trim())

function parseTerm (term: string): LabelRequirement | null {
  const equal = equality.exec(term)
  if (equal) return { key: equal[1]!, operator: equal[2] === '!=' ? 'notIn' : 'in', values: [equal[3]!] }
  const member = membership.exec(term)
  if (member) {
    const values = member[3]!.split(',').map(item => item.trim())
    return values.every(item => single.test(item)) ? { key: member[1]!, operator: member[2] === 'in' ? 'in' : 'notIn', values } : null
  }
  const exists = existence.exec(term)
  return exists ? { key: exists[2]!, operator: exists[1] ? 'notExists' : 'exists', values: [] } : null
}

/** A selector in Kubernetes syntax: `a=b,c!=d,e in (f,g),!h`. EPH_INVALID_REQUEST where it cannot be read. */
export function parseLabelSelector (selector: string): LabelRequirement[] {
  return termsOf(selector).map(term => {
    const requirement = parseTerm(term)
    if (requirement) return requirement
    throw new Problem('EPH_INVALID_REQUEST', `Cannot read the label selector: "${term.slice(0, 80)}" is no requirement`, {
      errors: [{ pointer: '/query/labelSelector', detail: 'is not in the syntax of Kubernetes label selectors' }]
    })
  })
}
