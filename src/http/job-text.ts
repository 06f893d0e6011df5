import type { Job, JobPod } from '#core/job.ts'
import { escapeMarkdown, escapeText } from './escape-text.ts'

type TextType = 'text/plain' | 'text/markdown'

interface Format {
  heading (text: string): string
  item (text: string): string
  say (text: string): string
}

const formats: Record<TextType, Format> = {
  'text/plain': { heading: text => `${text}\n`, item: text => `  ${text}`, say: text => escapeText(text).replaceAll('\n', ' ') },
  'text/markdown': { heading: text => `## ${text}\n`, item: text => `- ${text}`, say: escapeMarkdown }
}

function podLines ({ item, say }: Format, pod: JobPod): string[] {
  const { error } = pod
  const runs = pod.runs.map(run => {
    const how = run.endCause === null ? 'runs' : `${run.endCause}, exit ${run.exitCode ?? '-'}, ${run.durationMs ?? '-'} ms, ${run.completeness?.state ?? '-'}`
    return item(`run ${run.id}: ${say(run.argv.join(' '))} (${how})`)
  })
  const artifacts = pod.runs.flatMap(run => run.artifacts).map(({ id, kind, sizeBytes }) =>
    item(`${say(kind)}, ${sizeBytes} bytes: /v1/artifacts/${id}/content`))
  return [
    item(`${say(pod.namespace)}/${say(pod.pod)}: ${pod.state}, verdict ${pod.verdict ?? '-'}${error ? `, ${error.code}: ${say(error.message)}` : ''}`),
    ...runs,
    ...artifacts
  ]
}

/** A job in words, for a terminal or a chat. Texts of tools and callers are escaped. */
export function jobText (job: Job, type: TextType): string {
  const format = formats[type]
  const { heading, item, say } = format
  const { requestedBy, podCounts } = job
  const findings = job.findings.flatMap(finding => [
    item(`${finding.severity} ${say(finding.code)}: ${say(finding.message)} (${finding.count} pods)`),
    item(`  what helps: ${say(finding.remedy)}`)
  ])
  return [
    heading(`${say(job.diagnostic)}: ${job.state}, verdict ${job.verdict ?? '-'}`),
    item(`job ${job.id} in ${say(job.namespace)} on ${say(job.cluster)}`),
    item(`launched by ${say(requestedBy.username)} at ${job.createdAt}${job.reason ? `: ${say(job.reason)}` : ''}`),
    item(`finished ${job.finishedAt ?? 'not yet'}`),
    ...(job.error ? [item(`${job.error.code}: ${say(job.error.message)}`)] : []),
    '',
    heading('Findings'),
    ...(findings.length > 0 ? findings : [item('none')]),
    '',
    heading(`Pods: ${podCounts.selected} of ${podCounts.matched}`),
    ...job.pods.items.flatMap(pod => podLines(format, pod)),
    ...(job.pods.nextCursor === null ? [] : [item(`more: /v1/jobs/${job.id}/pods`)]),
    ''
  ].join('\n')
}
