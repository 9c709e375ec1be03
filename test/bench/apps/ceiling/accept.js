import { app } from '@azure/functions';

// Nothing but the host's own work, at the path that the bridge answers.
app.post('accept', { route: 'events/{source?}', handler: () => ({ status: 202 }) });
