/** Answers what the parent process asks over the IPC channel, and ends with the parent. */
export function answerParent(commands) {
  process.on('disconnect', () => process.exit());
  process.on('message', (question) => void answer(commands, question));
}

async function answer(commands, { id, command, parameters }) {
  try {
    process.send({ id, result: await commands[command](parameters) });
  } catch (error) {
    process.send({ id, error: error.stack });
  }
}
