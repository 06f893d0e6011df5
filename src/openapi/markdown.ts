/** First line of everything that `npm run contract` writes for people. */
export const written = '<!-- Written by npm run contract from the code; changes made here are lost. -->'

/** Text inside of a cell: one line, and no bar that would end it. */
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

export function table (head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.map(cell).join(' | ')} |`).join('\n')
}

export const code = (text: string): string => text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``

/** Blocks, each with an empty line behind it. */
export const page = (blocks: string[]): string => `${[written, ...blocks].join('\n\n')}\n`
